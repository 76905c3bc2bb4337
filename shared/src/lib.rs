//! What the functions share: the configuration, the clients of the vendors, and the use-cases.
//!
//! The data flows one way: a function verifies and parses, calls one use-case, and answers; the use-case asks the
//! database (the referee) what may happen, does the outside calls through [`clients`], and tells the database what
//! happened. Nothing here knows of Lambda: HTTP is spoken in terms of the `http` crate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | environment variables and Secrets Manager |
//! | [`error`] | the one error type, the refusals, and their `application/problem+json` |
//! | [`clients`] | Twilio, ElevenLabs and Supabase |
//! | [`auth`] | who is calling: a verified Supabase user |
//! | [`queue`] | messages between the functions, and the batches that arrive from them |
//! | [`recordings`] | a finished call recording → the private bucket |
//! | [`voices`] | a recording → a cloned voice |

pub mod auth;
pub mod clients;
pub mod config;
pub mod error;
pub mod queue;
pub mod recordings;
pub mod voices;
