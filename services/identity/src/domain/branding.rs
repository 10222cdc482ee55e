//! How an organisation's pages may look: colours that carry readable text, logos that are pictures and nothing else.

/// WCAG 2.2 success criterion 1.4.3.
const CONTRAST_MIN: f64 = 4.5;
pub const LOGO_BYTES_MAX: usize = 64 << 10;
const LOGO_SIDE_MAX: u32 = 2048;

/// A picture that a page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoType {
    Png,
    Webp,
}

impl LogoType {
    pub fn as_str(self) -> &'static str {
        match self {
            LogoType::Png => "png",
            LogoType::Webp => "webp",
        }
    }
}

/// `#rrggbb` in lower case.
pub fn colour(text: &str) -> Option<String> {
    let digits = text.trim().strip_prefix('#')?;
    let is_colour = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_colour.then(|| format!("#{}", digits.to_ascii_lowercase()))
}

/// Whether white text can be read on it.
pub fn carries_white(colour: &str) -> bool {
    contrast(luminance(colour), 1.0) >= CONTRAST_MIN
}

/// Whether black text can be read on it.
pub fn carries_black(colour: &str) -> bool {
    contrast(luminance(colour), 0.0) >= CONTRAST_MIN
}

/// The contrast ratio of WCAG 2.2.
fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The relative luminance of WCAG 2.2, 0 to 1.
fn luminance(colour: &str) -> f64 {
    let channel = |start: usize| {
        let value =
            colour.get(start..start + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default();
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// What kind of picture the bytes are, with sides of at most 2048 points. Vectors are refused: they may hold programs.
pub fn logo_type(bytes: &[u8]) -> Option<LogoType> {
    let (kind, width, height) = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.get(12..16) == Some(b"IHDR") {
        // Portable Network Graphics, section 11.2.2.
        let side =
            |at: usize| bytes.get(at..at + 4).map(|side| u32::from_be_bytes([side[0], side[1], side[2], side[3]]));
        (LogoType::Png, side(16)?, side(20)?)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        let (width, height) = webp_sides(bytes)?;
        (LogoType::Webp, width, height)
    } else {
        return None;
    };
    let good = |side: u32| (1..=LOGO_SIDE_MAX).contains(&side);
    (good(width) && good(height)).then_some(kind)
}

/// Of the three kinds of WebP (RFC 9649).
fn webp_sides(bytes: &[u8]) -> Option<(u32, u32)> {
    let byte = |at: usize| bytes.get(at).copied().map(u32::from);
    match bytes.get(12..16)? {
        b"VP8 " => Some(((byte(26)? | byte(27)? << 8) & 0x3fff, (byte(28)? | byte(29)? << 8) & 0x3fff)),
        b"VP8L" => {
            let bits = byte(21)? | byte(22)? << 8 | byte(23)? << 16 | byte(24)? << 24;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => Some((
            (byte(24)? | byte(25)? << 8 | byte(26)? << 16) + 1,
            (byte(27)? | byte(28)? << 8 | byte(29)? << 16) + 1,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_must_be_readable() {
        assert!((contrast(luminance("#777777"), 1.0) - 4.478).abs() < 0.01, "a known value");
        assert!(!carries_white("#777777") && carries_white("#767676"));
        assert!(carries_black("#767676") && !carries_black("#125546"));
        assert_eq!(colour(" #A1b2C3"), Some("#a1b2c3".into()));
        for bad in ["a1b2c3", "#a1b2c", "#a1b2cg", "#a1b2c3d4", "red", "#é1b2"] {
            assert_eq!(colour(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_small_pictures_are_logos() {
        let png = |width: u32, height: u32| {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
            bytes.extend(width.to_be_bytes());
            bytes.extend(height.to_be_bytes());
            bytes
        };
        assert_eq!(logo_type(&png(200, 100)), Some(LogoType::Png));
        assert_eq!(logo_type(&png(2049, 1)), None);
        assert_eq!(logo_type(&png(0, 1)), None);
        assert_eq!(logo_type(&png(1, 1)[..20]), None, "cut off");
        let mut webp = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        webp.extend([0x63, 0, 0, 0x31, 0, 0]);
        assert_eq!(webp_sides(&webp), Some((100, 50)));
        assert_eq!(logo_type(&webp), Some(LogoType::Webp));
        assert_eq!(logo_type(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), None);
        assert_eq!(logo_type(b""), None);
    }
}
