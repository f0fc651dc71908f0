//! tcpgauge: how many TCP sockets are in which state.
