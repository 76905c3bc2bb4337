//! Erasing every copy of a voice, and reporting of each whether it is gone.
//!
//! The database lists the copies and keeps the state of each; a copy counts as gone only when its keeper, asked
//! afterwards, no longer has it.

use std::cell::Cell;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use tokio::time::Instant;
use uuid::Uuid;

use crate::clients::VendorError;
use crate::clients::elevenlabs::ElevenLabs;
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::{self, CallSid, Twilio};
use crate::error::Error;
use crate::messages::{CloneRequested, ErasureStarted};
use crate::metrics::timed;
use crate::queue::Queue;
use crate::recordings::{self, publish_newest};
use crate::referee::erasures::{
    BegunErasure, CopyOutcome, ErasedCopy, FoundCopies, GoneCopy, Place, Remainder, RemainingCopy, add_erasure_copies,
    begin_erasure, copy_erased, copy_failed, copy_kept_elsewhere,
};
use crate::voices::write_metadata;

/// The number of copies of one kind that are erased at the same time.
const AT_ONCE: usize = 8;

/// The result of erasing a copy.
enum Outcome {
    /// The keeper of the copy no longer has it.
    Gone {
        /// The vendor's account that was asked, where there may be several.
        account: Option<String>,
        /// True if it was seen there just before.
        was_there: bool,
    },
    /// The copy is out of our reach; the code says where.
    KeptElsewhere(&'static str),
}

impl Outcome {
    const GONE: Self = Self::Gone { account: None, was_there: true };
}

/// The results of an invocation's rounds so far.
#[derive(Default)]
struct Progress {
    /// The number of copies that are gone, or known to be out of reach.
    settled: usize,
    /// The first error by which a vendor turned our key away.
    turned_away: Option<Error>,
    /// Kinds of copies whose keeper did not answer. They are not tried again: each try would last until its timeout,
    /// while the other kinds wait.
    silent: Vec<Discriminant<Place>>,
}

/// Does the erasures that the database lists, at the keepers of the copies.
pub struct Eraser<'a> {
    /// The database and Storage.
    pub supabase: Supabase,
    /// The keeper of voices.
    pub elevenlabs: ElevenLabs,
    /// The keeper of recordings.
    pub twilio: Twilio,
    /// The queue of `clone-worker`, which settles attempts of unknown fate so that their voices can be erased.
    pub clones: &'a Queue,
    /// The queue through which an erasure goes on that takes longer than one invocation.
    pub erasures: &'a Queue,
    /// No further round is begun after this time.
    pub deadline: Instant,
}

impl Eraser<'_> {
    /// Erases all copies that can be erased now, round by round, until a round makes no progress. It succeeds only if
    /// every copy is confirmed gone; an erasure that is too large for one invocation goes on with a new message.
    ///
    /// # Errors
    /// [`Error::NotYet`] while copies are left that cannot be erased now; each one's own failure is kept with it in the
    /// database. If a vendor has turned our key away, its error comes instead, since a fresh secret may help.
    pub async fn work(&self, erasure_id: Uuid) -> Result<(), Error> {
        let mut progress = Progress::default();
        loop {
            let left = match begin_erasure(&self.supabase, erasure_id).await? {
                BegunErasure::Erased => return Ok(()),
                BegunErasure::ErasureUnknown => return Err(Error::Unusable("the database does not know the erasure")),
                BegunErasure::Erase(left) => left,
            };
            let before = progress.settled;
            timed("erase_copies", self.erase_copies(erasure_id, &left, &mut progress)).await?;
            if progress.settled == before && left.is_listed {
                return self.wait_for(left, progress).await;
            }
            if Instant::now() >= self.deadline {
                return self.erasures.send(&ErasureStarted { erasure_id }).await;
            }
        }
    }

    /// Ends an invocation in which nothing more can be done: has attempts of unknown fate settled, and gives the error
    /// that says when to look again.
    async fn wait_for(&self, left: Remainder, progress: Progress) -> Result<(), Error> {
        for attempt_id in left.blocked.iter().filter(|blocked| blocked.wait_seconds == 0).filter_map(|b| b.attempt_id) {
            self.clones.send(&CloneRequested { attempt_id }).await?;
        }
        let retry_after = left.wait_seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs);
        Err(progress.turned_away.unwrap_or(Error::NotYet { reason: "not every copy is gone", retry_after }))
    }

    /// Tries each copy by itself: kind after kind, several of a kind at the same time.
    async fn erase_copies(&self, erasure_id: Uuid, left: &Remainder, progress: &mut Progress) -> Result<(), Error> {
        for copies in left.copies.chunk_by(|a, b| discriminant(&a.place) == discriminant(&b.place)) {
            let kind = discriminant(&copies[0].place);
            if !progress.silent.contains(&kind) && self.erase_kind(erasure_id, copies, progress).await? {
                progress.silent.push(kind);
            }
        }
        Ok(())
    }

    /// Tries copies of one kind. Returns true if their keeper does not answer; then no further one is begun.
    async fn erase_kind(
        &self,
        erasure_id: Uuid,
        copies: &[RemainingCopy],
        progress: &mut Progress,
    ) -> Result<bool, Error> {
        let is_silent = Cell::new(false);
        let tries = stream::iter(copies)
            .take_while(|_| future::ready(!is_silent.get()))
            .map(|copy| self.erase_and_report(erasure_id, copy))
            .buffer_unordered(AT_ONCE);
        let mut tries = std::pin::pin!(tries);
        while let Some(tried) = tries.next().await {
            match tried? {
                Ok(is_settled) => progress.settled += usize::from(is_settled),
                Err(error) => {
                    is_silent.set(is_silent.get() || matches!(error, Error::Vendor(VendorError { status: None, .. })));
                    let turned_away = Some(error).filter(Error::is_unauthorised);
                    progress.turned_away = progress.turned_away.take().or(turned_away);
                }
            }
        }
        Ok(is_silent.get())
    }

    /// Erases one copy and reports the result to the database. The inner result is true if the database agrees that the
    /// copy is settled, or the copy's own failure, which does not stop the others.
    async fn erase_and_report(&self, erasure_id: Uuid, copy: &RemainingCopy) -> Result<Result<bool, Error>, Error> {
        let &RemainingCopy { copy_id, ref place } = copy;
        match self.erase(erasure_id, place).await {
            Ok(Outcome::Gone { account, was_there }) => {
                let gone = GoneCopy { copy_id, account: account.as_deref(), was_there };
                let ErasedCopy { outcome, newest } = copy_erased(&self.supabase, &gone).await?;
                publish_newest(&self.supabase, newest).await?;
                Ok(Ok(outcome == CopyOutcome::Erased))
            }
            Ok(Outcome::KeptElsewhere(code)) => {
                copy_kept_elsewhere(&self.supabase, copy_id, code).await?;
                Ok(Ok(true))
            }
            Err(error) => {
                tracing::warn!(%copy_id, %error, "a copy could not be erased");
                copy_failed(&self.supabase, copy_id, &error.code()).await?;
                Ok(Err(error))
            }
        }
    }

    /// Erases a copy and asks its keeper whether it is gone.
    async fn erase(&self, erasure_id: Uuid, place: &Place) -> Result<Outcome, Error> {
        match place {
            Place::VendorHistory(voice_id) => self.list_speech(erasure_id, voice_id).await,
            Place::VendorSpeech(id) => Ok(self.elevenlabs.delete_history_item(id).await.map(|()| Outcome::GONE)?),
            Place::VendorVoice(voice_id) => {
                let was_there = self.elevenlabs.delete_voice(voice_id).await?;
                if self.elevenlabs.has_voice(voice_id).await? {
                    return Err(Error::NotYet { reason: "the voice is still there", retry_after: None });
                }
                let account = Some(self.elevenlabs.account().await?);
                Ok(Outcome::Gone { account, was_there })
            }
            Place::StoredRecording(path) | Place::NewestRecording(path) => self.remove_recording(path).await,
            Place::Metadata(tombstone) => write_metadata(&self.supabase, tombstone).await.map(|()| Outcome::GONE),
            Place::TwilioRecording(sid) => {
                let account = Some(self.twilio.account_sid().to_owned());
                Ok(match self.twilio.erase_recording(sid).await? {
                    twilio::Erasure::Erased { was_there } => Outcome::Gone { account, was_there },
                    twilio::Erasure::KeptElsewhere => Outcome::KeptElsewhere("external_storage"),
                })
            }
            Place::TwilioCall(call_sid) => self.list_recordings(erasure_id, call_sid).await,
        }
    }

    async fn remove_recording(&self, path: &ObjectKey) -> Result<Outcome, Error> {
        let removed = self.supabase.remove(recordings::BUCKET, path).await;
        // Only this second look decides: the answer to the removal may have been lost.
        if self.supabase.object_size(recordings::BUCKET, path).await?.is_some() {
            removed?;
            return Err(Error::NotYet { reason: "the copy is still there", retry_after: None });
        }
        Ok(Outcome::GONE)
    }

    /// Adds the speech that the vendor keeps of a voice to the erasure's copies.
    async fn list_speech(&self, erasure_id: Uuid, voice_id: &str) -> Result<Outcome, Error> {
        let mut after = None;
        loop {
            let page = self.elevenlabs.history_of(voice_id, after.as_deref()).await?;
            if !page.items.is_empty() {
                add_erasure_copies(&self.supabase, erasure_id, FoundCopies::VendorSpeech(&page.items)).await?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(Outcome::GONE);
            }
        }
    }

    /// Adds the recordings that Twilio has of a call to the erasure's copies, even those whose callback never came.
    async fn list_recordings(&self, erasure_id: Uuid, call_sid: &str) -> Result<Outcome, Error> {
        if let Ok(call_sid) = CallSid::try_from(call_sid.to_owned()) {
            for recordings in self.twilio.recordings_of(&call_sid).await?.chunks(1000) {
                add_erasure_copies(&self.supabase, erasure_id, FoundCopies::TwilioRecording(recordings)).await?;
            }
        }
        Ok(Outcome::GONE)
    }
}
