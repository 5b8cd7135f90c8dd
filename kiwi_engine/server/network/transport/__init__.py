"""How clients reach the server: addresses, sockets, TLS, and who is let in."""
