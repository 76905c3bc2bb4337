//! ElevenLabs' API: making, finding and deleting instant voice clones.

mod account;
mod add_voice;
mod client;
pub(super) mod codes;
mod gone;
mod history;
mod marks;
mod secret;
#[cfg(test)]
mod testing;
mod voices;

pub use account::VoiceLimit;
pub use add_voice::{AddVoiceError, AddedVoice, NewVoice};
pub use client::ElevenLabs;
pub use codes::NAME;
pub use history::HistoryPage;
pub use secret::ElevenLabsSecret;
pub use voices::MarkedVoice;
