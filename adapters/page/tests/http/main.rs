//! The HTTP side: routes, bad requests, and readers of the stream of events.

mod client;
mod events;
mod routes;
mod servers;
