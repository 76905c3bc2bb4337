//! Media from Twilio, checked to be a WAV before a byte of them is stored.

use std::io::{Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::Body;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;
use wav::{NotAudio, RiffHeader};

use crate::clients::twilio::Media;
use crate::error::Error;

/// A WAV of known length. Its first bytes were checked; the rest is still to come.
pub(crate) struct Wav {
    /// Length in bytes.
    pub length: u64,
    /// All bytes, the first ones included.
    pub body: Body,
    /// The hash of the bytes that have passed so far.
    pub hash: Hash,
}

/// The SHA-256 of a stream, taken as it passes.
#[derive(Clone)]
pub(crate) struct Hash(Arc<Mutex<Context>>);

impl Hash {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Context::new(&SHA256))))
    }

    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
    }

    /// The hash in lower-case hexadecimal. It is that of the whole file once the stream has been read to its end.
    pub fn hex(&self) -> String {
        let context = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Wav {
    /// Checks the first bytes before anything is stored, so that an error page that is sent as audio is refused.
    ///
    /// Storage must know the length beforehand. If Twilio does not state it, the recording is spooled to the temporary
    /// disk first. Storage keeps nothing of an upload whose body ends early.
    pub async fn open<S>(media: Media<S>) -> Result<Self, Error>
    where
        S: Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    {
        let mut rest = Box::pin(media.stream);
        let mut head = BytesMut::new();
        let header = loop {
            if let Some(header) = RiffHeader::parse(&head).map_err(|NotAudio(_)| not_a_wav())? {
                break header;
            }
            head.extend_from_slice(&rest.try_next().await.map_err(interrupted)?.ok_or_else(not_a_wav)?);
        };
        let hash = Hash::new();
        let passing = hash.clone();
        let whole = stream::once(async { Ok(head.freeze()) }).chain(rest).inspect_ok(move |chunk| passing.add(chunk));
        let (length, body) = match media.length {
            Some(length) => (length, Body::wrap_stream(whole)),
            None => spool(whole).await?,
        };
        check_is_whole(header, length)?;
        Ok(Self { length, body, hash })
    }
}

fn not_a_wav() -> Error {
    Error::Unusable("the recording is not a WAV")
}

fn check_is_whole(header: RiffHeader, length: u64) -> Result<(), Error> {
    match header.file_bytes {
        Some(bytes) if bytes > length => {
            Err(Error::NotYet { reason: "the recording is shorter than its header says", retry_after: None })
        }
        _ => Ok(()),
    }
}

/// Writes the stream to the temporary disk, to learn its length. The file vanishes with its handle.
async fn spool<S>(stream: S) -> Result<(u64, Body), Error>
where
    S: Stream<Item = reqwest::Result<Bytes>>,
{
    let file = tempfile::tempfile().map_err(Error::unavailable("spooling a recording"))?;
    let mut file = tokio::fs::File::from_std(file);
    let mut stream = std::pin::pin!(stream);
    let mut length = 0;
    while let Some(chunk) = stream.try_next().await.map_err(interrupted)? {
        file.write_all(&chunk).await.map_err(Error::unavailable("spooling a recording"))?;
        length += chunk.len() as u64;
    }
    file.flush().await.map_err(Error::unavailable("spooling a recording"))?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(Error::unavailable("spooling a recording"))?;
    Ok((length, Body::wrap_stream(ReaderStream::new(tokio::fs::File::from_std(file)))))
}

fn interrupted(cause: reqwest::Error) -> Error {
    Error::unavailable("reading a recording's audio")(cause.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(
        length: Option<u64>,
        chunks: &[&'static [u8]],
    ) -> Media<impl Stream<Item = reqwest::Result<Bytes>> + 'static> {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        Media { length, stream: stream::iter(chunks) }
    }

    async fn bytes_of(wav: Wav) -> Vec<u8> {
        use reqwest::ResponseBuilderExt;
        let response = http::Response::builder().url("http://localhost".parse().unwrap()).body(wav.body).unwrap();
        reqwest::Response::from(response).bytes().await.unwrap().to_vec()
    }

    const WAV: &[u8] = b"RIFF\x08\x00\x00\x00WAVEdata";
    /// The output of `sha256sum`.
    const SHA256_OF_WAV: &str = "21d4bcae2114f2b8e883fd4f41fe0f5c50b9af2b986e773ecb8a2ef0bc9de92d";

    #[tokio::test]
    async fn a_wav_passes_byte_for_byte_however_it_is_cut() {
        for cut in [1, 4, 11, 12, 15] {
            let (first, second) = WAV.split_at(cut);
            let wav = Wav::open(media(Some(16), &[first, second])).await.unwrap();
            assert_eq!(wav.length, 16);
            let hash = wav.hash.clone();
            assert_eq!(bytes_of(wav).await, WAV);
            assert_eq!(hash.hex(), SHA256_OF_WAV);
        }
    }

    #[tokio::test]
    async fn without_a_length_the_recording_is_spooled_and_counted() {
        let wav = Wav::open(media(None, &[&WAV[..5], &WAV[5..]])).await.unwrap();
        assert_eq!((wav.length, wav.hash.hex().as_str()), (16, SHA256_OF_WAV));
        assert_eq!(bytes_of(wav).await, WAV);
    }

    #[tokio::test]
    async fn an_error_page_or_a_stub_is_not_a_recording() {
        for body in [&b"<?xml version='1.0'?><TwilioResponse/>"[..], b"RIFF", b"", b"RIFF\x08\x00\x00\x00AVI data"] {
            let error = Wav::open(media(Some(body.len() as u64), &[body])).await.err().unwrap();
            assert!(!error.is_transient(), "{error}");
        }
    }

    #[tokio::test]
    async fn a_recording_shorter_than_its_header_says_is_tried_again() {
        let error = Wav::open(media(Some(15), &[WAV])).await.err().unwrap();
        assert!(error.is_transient());
        let error = Wav::open(media(None, &[&WAV[..15]])).await.err().unwrap();
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn a_header_that_leaves_the_size_open_is_accepted() {
        for wav in [b"RIFF\0\0\0\0WAVEdata", b"RIFF\xFF\xFF\xFF\xFFWAVEdata"] {
            assert_eq!(Wav::open(media(Some(16), &[wav])).await.unwrap().length, 16);
        }
    }

    /// The header of an RF64, which says that the file is 48 bytes long.
    const RF64: &[u8; 48] =
        b"RF64\xFF\xFF\xFF\xFFWAVEds64\x1C\0\0\0\x28\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[tokio::test]
    async fn a_file_of_more_than_4_gib_is_accepted_and_must_be_whole_as_well() {
        for cut in [1, 12, 20, 35, 36, 47] {
            let (first, second) = RF64.split_at(cut);
            let wav = Wav::open(media(Some(48), &[first, second])).await.unwrap();
            assert_eq!(bytes_of(wav).await, RF64);
        }
        let error = Wav::open(media(Some(47), &[RF64])).await.err().unwrap();
        assert!(error.is_transient());
    }
}
