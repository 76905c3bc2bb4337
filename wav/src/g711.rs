//! ITU-T G.711: the two logarithmic codes of the telephone network, one byte a sample.
//!
//! Source: <https://www.itu.int/rec/T-REC-G.711>

/// The 16-bit sample that each µ-law byte stands for.
pub static MU_LAW: [i16; 256] = {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let magnitude = (((((bits & 0x0F) as i16) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
        samples[code] = if bits & 0x80 == 0 { magnitude } else { -magnitude };
        code += 1;
    }
    samples
};

/// The 16-bit sample that each A-law byte stands for.
pub static A_LAW: [i16; 256] = {
    let mut samples = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let (mantissa, segment) = (((bits & 0x0F) as i16) << 4, (bits >> 4) & 7);
        let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
        samples[code] = if bits & 0x80 == 0 { -magnitude } else { magnitude };
        code += 1;
    }
    samples
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Spot values of the standard's tables 1a and 2a, scaled to 16 bit.
    #[test]
    fn the_codes_stand_for_what_the_standard_says() {
        assert_eq!(
            [0x00, 0x80, 0x7F, 0xFF, 0xFE, 0x8F].map(|code: usize| MU_LAW[code]),
            [-32124, 32124, 0, 0, 8, 16764]
        );
        assert_eq!([0xD5, 0x55, 0xAA, 0x2A, 0x80].map(|code: usize| A_LAW[code]), [8, -8, 32256, -32256, 5504]);
    }

    #[test]
    fn both_codes_are_symmetric_about_zero() {
        for table in [&MU_LAW, &A_LAW] {
            let mut mirrored = table.map(|sample| -sample);
            mirrored.sort_unstable();
            let mut sorted = *table;
            sorted.sort_unstable();
            assert_eq!(sorted, mirrored);
        }
    }
}
