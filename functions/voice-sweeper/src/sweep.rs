//! One run: bounded, and harmless twice at once. What is left over is found by the next.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::clients::elevenlabs::{ElevenLabs, ElevenLabsSecret};
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::config::Secret;
use shared::erasures::ErasureStarted;
use shared::error::Error;
use shared::queue::Queue;
use shared::voices::CloneRequested;
use uuid::Uuid;

/// How much of each kind one run takes on.
const LIMIT: u32 = 100;

/// The function, with what it reaches.
pub struct Sweeper {
    /// All requests go through it.
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub supabase_url: String,
    /// Reaches the database.
    pub supabase: Secret<SupabaseSecret>,
    /// Without a trailing slash.
    pub elevenlabs_url: String,
    /// Lists and deletes voices.
    pub elevenlabs: Secret<ElevenLabsSecret>,
    /// Where attempts wait for `clone-worker`.
    pub clones: Queue,
    /// Where erasures wait for `voice-erasure`.
    pub erasures: Queue,
}

/// What a run has found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Consents that had expired: their voices are taken off, an erasure is started.
    consents_expired: usize,
    /// Attempts whose message was gone, queued again.
    attempts_queued: usize,
    /// Erasures whose message was gone, queued again.
    erasures_queued: usize,
    /// Voices at the vendor that belonged to no live row, deleted.
    voices_deleted: usize,
}

impl Sweeper {
    /// One run. Fails, and is then tried again by Lambda, when one of the three parts does; the others are done all the same.
    pub async fn run(&self) -> Result<Findings, Error> {
        let (supabase, elevenlabs) = (self.supabase.get().await?, self.elevenlabs.get().await?);
        let supabase = Supabase::new(self.http.clone(), &self.supabase_url, &supabase);
        let elevenlabs = ElevenLabs::new(self.http.clone(), &self.elevenlabs_url, &elevenlabs);
        let mut findings = Findings::default();
        let parts = [
            self.expired_consents(&supabase, &mut findings).await,
            self.unfinished(&supabase, &mut findings).await,
            orphaned_voices(&supabase, &elevenlabs, &mut findings).await,
        ];
        tracing::info!(?findings, "swept");
        for error in parts.iter().filter_map(|part| part.as_ref().err()) {
            tracing::error!(%error, "a part of the sweep has failed");
            self.supabase.notice_refusal("supabase", error).await;
            self.elevenlabs.notice_refusal("elevenlabs", error).await;
        }
        parts.into_iter().collect::<Result<(), _>>().map(|()| findings)
    }

    async fn expired_consents(&self, supabase: &Supabase<'_>, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Swept {
            erasure_ids: Vec<Uuid>,
        }
        let swept: Swept = supabase.rpc("sweep_expired_consents", json!({"p_limit": LIMIT})).await?;
        findings.consents_expired = swept.erasure_ids.len();
        self.queue_erasures(swept.erasure_ids).await
    }

    async fn unfinished(&self, supabase: &Supabase<'_>, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Found {
            attempt_ids: Vec<Uuid>,
            erasure_ids: Vec<Uuid>,
        }
        let found: Found = supabase.rpc("sweep_unfinished", json!({"p_limit": LIMIT})).await?;
        findings.attempts_queued = found.attempt_ids.len();
        findings.erasures_queued = found.erasure_ids.len();
        for attempt_id in found.attempt_ids {
            self.clones.send(&CloneRequested { attempt_id }).await?;
        }
        self.queue_erasures(found.erasure_ids).await
    }

    async fn queue_erasures(&self, erasure_ids: Vec<Uuid>) -> Result<(), Error> {
        for erasure_id in erasure_ids {
            self.erasures.send(&ErasureStarted { erasure_id }).await?;
        }
        Ok(())
    }
}

/// Voices at the vendor that carry our mark, and whose attempt the database knows to have ended without them.
///
/// A voice whose attempt the database has never heard of stays: it may be another deployment's on the same account.
async fn orphaned_voices(
    supabase: &Supabase<'_>,
    elevenlabs: &ElevenLabs<'_>,
    findings: &mut Findings,
) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Known {
        /// Those that must stay.
        voice_ids: HashSet<String>,
    }
    let marked = elevenlabs.marked_voices().await?;
    if marked.is_empty() {
        return Ok(());
    }
    let (voice_ids, attempt_ids): (Vec<_>, Vec<_>) =
        marked.into_iter().map(|v| (v.vendor_voice_id, v.attempt_id)).unzip();
    let arguments = json!({"p_vendor_voice_ids": voice_ids, "p_attempt_ids": attempt_ids});
    let known: Known = supabase.rpc("known_vendor_voices", arguments).await?;
    for voice_id in voice_ids.iter().filter(|id| !known.voice_ids.contains(*id)).take(LIMIT as usize) {
        elevenlabs.delete_voice(voice_id).await?;
        findings.voices_deleted += 1;
    }
    Ok(())
}
