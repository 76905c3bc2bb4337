//! Supabase: the database's functions over PostgREST, and Storage.

mod bucket;
mod client;
mod key;
mod object;
mod secret;
mod signed_upload;
#[cfg(test)]
mod testing;

pub use client::{NAME, Supabase};
pub use key::{InvalidKey, ObjectKey};
pub use object::Object;
pub use secret::SupabaseSecret;
pub use signed_upload::SignedUpload;
