#!/usr/bin/env bash
# Makes the certificates of the tests anew, valid for a hundred years: bash make.sh
#   authority   signs the others, but for `stranger`, which signs itself
#   server      for 127.0.0.1, ::1 and localhost; locked.key is its key with the password "secret"
#   renewed     what a server would get after `server`
#   expired     for the same names, but long over
#   client      what a client shows
#   weak        for the same names, with a key that OpenSSL thinks too short
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
touch "$folder/index"
cat > "$folder/ca.conf" <<END
[ca]
default_ca = this
[this]
database = $folder/index
new_certs_dir = $folder
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
[server]
subjectAltName = IP:127.0.0.1,IP:::1,DNS:localhost
[client]
extendedKeyUsage = clientAuth
END

certificate() { # NAME SECTION LAST_YEAR, then who signs, as options of `openssl ca`
    local name=$1 section=$2 year=$3
    shift 3
    if [ "$name" = weak ]; then
        openssl genrsa -out "$name.key" 1024
    else
        openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
    fi
    openssl req -new -key "$name.key" -subj "/CN=$name" -out "$folder/request"
    openssl ca -batch -notext -config "$folder/ca.conf" -extensions "$section" \
        -startdate 20200101000000Z -enddate "${year}0101000000Z" \
        -in "$folder/request" -out "$name.crt" "$@"
}

certificate authority authority 2120 -selfsign -keyfile authority.key
certificate stranger client 2120 -selfsign -keyfile stranger.key
signed=(-cert authority.crt -keyfile authority.key)
certificate server server 2120 "${signed[@]}"
certificate renewed server 2120 "${signed[@]}"
certificate expired server 2021 "${signed[@]}"
certificate client client 2120 "${signed[@]}"
certificate weak server 2120 "${signed[@]}"
openssl ec -in server.key -aes256 -passout pass:secret -out locked.key
openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out parameters.dh
