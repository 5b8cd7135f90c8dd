"""Positions, scores and areas; that results are those of Redis is for the differential tests."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi_engine.keyspace.geo import geohash
from kiwi_engine.keyspace.geo.geohash import LATITUDE_MAX, LONGITUDE_MAX, Position, Shape

# The worked example of Redis' documentation.
PALERMO, CATANIA = Position(13.361389, 38.115556), Position(15.087269, 37.502669)
QUARTER_M = math.pi / 2 * geohash.EARTH_RADIUS_M

longitudes = st.floats(-LONGITUDE_MAX, LONGITUDE_MAX)
latitudes = st.floats(-LATITUDE_MAX, LATITUDE_MAX)
positions = st.builds(Position, longitudes, latitudes)


def test_the_documented_example() -> None:
    assert geohash.encode(PALERMO) == 3479099956230698
    assert geohash.encode(CATANIA) == 3479447370796909
    assert geohash.text_of(3479099956230698) == b"sqc8b49rny0"
    decoded = [geohash.decode(score) for score in (3479099956230698, 3479447370796909)]
    assert f"{geohash.distance(*decoded):.4f}" == "166274.1516"
    assert decoded[0] == Position(13.361389338970184, 38.1155563954963)


@given(position=positions)
@settings(deadline=None)
def test_a_score_leads_back_to_where_it_comes_from(position: Position) -> None:
    score = geohash.encode(position)
    found = geohash.decode(float(score))
    assert found.longitude == pytest.approx(position.longitude, abs=6e-6)
    # Half a cell, and one more at the eastern end of the world, where Redis' bits run over.
    assert found.latitude == pytest.approx(position.latitude, abs=4e-6)


def test_the_corners_of_the_world() -> None:
    assert geohash.encode(Position(-LONGITUDE_MAX, -LATITUDE_MAX)) == 0
    east = geohash.encode(Position(LONGITUDE_MAX, 0.0))
    assert east >= 2**52, "it lies behind the last cell, as in Redis"
    assert geohash.decode(float(east)).longitude == LONGITUDE_MAX
    north = geohash.encode(Position(0.0, LATITUDE_MAX))
    assert geohash.decode(float(north)).latitude == LATITUDE_MAX


@pytest.mark.parametrize("score", [-1.0, -(2.0**63), -1e300, -math.inf, 2.0**63, 1e300, math.inf])
def test_scores_that_are_no_geohashes_become_some_position(score: float) -> None:
    longitude, latitude = geohash.decode(score)
    assert abs(longitude) <= LONGITUDE_MAX
    assert abs(latitude) <= LATITUDE_MAX


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        (Position(0, 0), Position(0, 0), 0.0),
        (Position(0, 0), Position(90, 0), QUARTER_M),
        (Position(0, 0), Position(180, 0), 2 * QUARTER_M),
        (Position(7, -45), Position(7, 45), QUARTER_M),
        (Position(-179.5, 0), Position(179.5, 0), QUARTER_M / 90),
    ],
)
def test_distances(one: Position, other: Position, metres: float) -> None:
    assert geohash.distance(one, other) == pytest.approx(metres)
    assert geohash.distance(other, one) == pytest.approx(metres)


def test_what_lies_inside_of_a_circle_and_a_box() -> None:
    centre, here = Position(10, 40), Position(10.1, 40)
    metres = geohash.distance(centre, here)
    assert geohash.contains(Shape(centre, metres), here) == metres
    assert geohash.contains(Shape(centre, metres * 0.999), here) is None
    assert geohash.contains(Shape(centre, None, metres * 2, 0), here) == metres
    assert geohash.contains(Shape(centre, None, metres * 1.99, 0), here) is None
    there = Position(10, 40.1)
    rise = geohash.distance(centre, there)
    assert geohash.contains(Shape(centre, None, 0, rise * 2.001), there) == rise
    assert geohash.contains(Shape(centre, None, 1e6, rise * 1.99), there) is None


@given(
    centre=st.builds(Position, st.floats(-150, 150), st.floats(-60, 60)),
    bearing=st.floats(0, 2 * math.pi),
    share=st.floats(0, 1),
    radius=st.floats(1, 1_000_000),
    is_box=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_the_areas_hold_everything_inside_of_the_shape(
    centre: Position, bearing: float, share: float, radius: float, is_box: bool
) -> None:
    degrees = math.degrees(radius * share / geohash.EARTH_RADIUS_M)
    latitude = centre.latitude + degrees * math.cos(bearing)
    stretch = math.cos(math.radians(latitude))
    longitude = centre.longitude + degrees * math.sin(bearing) / stretch
    score = geohash.encode(Position(longitude, latitude))
    shape = Shape(centre, None, 2 * radius, 2 * radius) if is_box else Shape(centre, radius)
    if geohash.contains(shape, geohash.decode(float(score))) is not None:
        assert any(low <= score < end for low, end in geohash.areas(shape))


def test_areas_are_nine_at_most_and_not_twice_the_same_in_a_row() -> None:
    for radius in (0.0, 1.0, 1e3, 1e5, 1e6, 5e6, 1e7, 3e7):
        for centre in (Position(0, 0), PALERMO, Position(180, 85), Position(-180, -85)):
            found = geohash.areas(Shape(centre, radius))
            assert 1 <= len(found) <= 9
            assert all(low < end for low, end in found)
            assert all(one != other for one, other in itertools.pairwise(found[1:]))
