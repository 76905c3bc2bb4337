//! ITU-T G.711: the coding of samples in a telephone network.
//!
//! Source: <https://www.itu.int/rec/T-REC-G.711>

/// The code in which samples travel through the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// 16-bit samples, untouched.
    Linear,
    /// G.711 µ-law, as in North America and Japan.
    MuLaw,
    /// G.711 A-law, as elsewhere.
    ALaw,
}

impl Codec {
    /// The sample after it was encoded and decoded.
    #[must_use]
    pub fn through(self, sample: i16) -> i16 {
        match self {
            Self::Linear => sample,
            Self::MuLaw => mu_law_decode(mu_law_encode(sample)),
            Self::ALaw => a_law_decode(a_law_encode(sample)),
        }
    }
}

const MU_LAW_BIAS: i32 = 0x84;
const MU_LAW_CLIP: i32 = 32_635;

/// G.711 µ-law, bits inverted as on the wire.
#[must_use]
pub fn mu_law_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(MU_LAW_CLIP) + MU_LAW_BIAS;
    let exponent = 24 - magnitude.leading_zeros() as i32;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent << 4) | mantissa) as u8
}

/// The inverse of [`mu_law_encode`].
#[must_use]
pub fn mu_law_decode(code: u8) -> i16 {
    let code = i32::from(!code);
    let magnitude = ((((code & 0x0F) << 3) + MU_LAW_BIAS) << ((code >> 4) & 7)) - MU_LAW_BIAS;
    (if code & 0x80 != 0 { -magnitude } else { magnitude }) as i16
}

/// G.711 A-law, even bits inverted as on the wire.
#[must_use]
pub fn a_law_encode(sample: i16) -> u8 {
    let sample = i32::from(sample) >> 3;
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let exponent = (27 - (magnitude | 0x10).leading_zeros() as i32).max(0);
    let mantissa = (magnitude >> exponent.max(1)) & 0x0F;
    ((sign | (exponent << 4) | mantissa) ^ 0x55) as u8
}

/// The inverse of [`a_law_encode`].
#[must_use]
pub fn a_law_decode(code: u8) -> i16 {
    let code = i32::from(code ^ 0x55);
    let (exponent, mantissa) = ((code >> 4) & 7, code & 0x0F);
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    (if code & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=u8::MAX {
            assert_eq!(a_law_encode(a_law_decode(code)), code);
            let again = mu_law_encode(mu_law_decode(code));
            // µ-law has two zeros, and a sample of zero has one code.
            assert!(again == code || (code == 0x7F && again == 0xFF), "{code:#x} became {again:#x}");
        }
    }

    #[test]
    fn codes_are_those_of_g711() {
        assert_eq!([0, -32_768, 32_767, 1000].map(mu_law_encode), [0xFF, 0x00, 0x80, 0xCE]);
        assert_eq!([0, -32_768, 32_767, 1000].map(a_law_encode), [0xD5, 0x2A, 0xAA, 0xFA]);
    }

    #[test]
    fn the_error_stays_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let step = (i32::from(sample).abs() / 16).max(16);
            for codec in [Codec::MuLaw, Codec::ALaw] {
                let error = (i32::from(codec.through(sample)) - i32::from(sample)).abs();
                assert!(error <= step, "{codec:?} {sample} is off by {error}");
            }
        }
    }
}
