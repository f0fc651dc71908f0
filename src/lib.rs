//! tcpgauge tells how many TCP sockets are in which state, and pushes that over OTLP.
//!
//! Data flows one way, once a tick; the modules stand in its order:
//!
//! ```text
//! tick ─► source ─► Reading ─► Sample ─► otlp: instruments, exporter ─► delivery: queue ─► sender ─► backend
//! ```
//!
//! `ARCHITECTURE.md` has the rules that keep it so.

pub mod tcp;

pub mod source;

pub mod counters;

pub mod ports;

pub mod pods;

pub mod culprits;

pub mod sample;

pub mod alerts;

pub mod history;

pub mod state;

pub mod otlp;

pub mod delivery;

pub mod http;

pub mod identity;

pub mod reader;

pub mod schedule;

pub mod log;

pub mod config;

pub mod agent;

pub mod cli;
