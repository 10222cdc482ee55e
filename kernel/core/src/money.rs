//! Money: a signed count of minor units with its ISO 4217 currency; never a float.
use iso_currency::Currency;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// An amount of one currency in minor units (cents, or whole shillings where the currency has none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

/// Why a text is not an amount.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    #[error("write the amount as digits with exactly {0} decimals, for example 1160.{1}")]
    Digits(u32, &'static str),
    #[error("the amount is too large")]
    TooLarge,
    #[error("use a three-letter ISO 4217 currency code")]
    Currency,
    #[error("amounts of {0} and {1} cannot be added")]
    Mixed(String, String),
}

fn minor_digits(currency: Currency) -> u32 {
    currency.exponent().map_or(2, u32::from)
}

impl Money {
    pub fn new(minor: i64, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// Reads a decimal string with exactly the minor digits of the currency.
    pub fn parse(amount: &str, currency: &str) -> Result<Money, MoneyError> {
        let currency = Currency::from_code(currency).ok_or(MoneyError::Currency)?;
        let digits = minor_digits(currency);
        let malformed = MoneyError::Digits(digits, ["", "0", "00", "000", "0000"][digits.min(4) as usize]);
        let (negative, unsigned) = amount.strip_prefix('-').map_or((false, amount), |rest| (true, rest));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let well_formed = !whole.is_empty()
            && fraction.len() == digits as usize
            && (digits > 0) == unsigned.contains('.')
            && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !well_formed {
            return Err(malformed);
        }
        let minor: i64 = format!("{whole}{fraction}").parse().map_err(|_| MoneyError::TooLarge)?;
        Ok(Money { minor: if negative { -minor } else { minor }, currency })
    }

    /// Adds two amounts of one currency.
    pub fn plus(self, other: Money) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency.code().into(), other.currency.code().into()));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Money { minor, currency: self.currency })
    }

    fn amount(&self) -> String {
        let digits = minor_digits(self.currency) as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let text = format!("{:0width$}", self.minor.unsigned_abs(), width = digits + 1);
        let (whole, fraction) = text.split_at(text.len() - digits);
        if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount(), self.currency.code())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    amount: String,
    currency: String,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { amount: self.amount(), currency: self.currency.code().to_owned() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        Money::parse(&wire.amount, &wire.currency).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_exact_minor_digits() {
        for (amount, currency, minor) in
            [("1160.00", "KES", 116_000), ("-0.05", "KES", -5), ("12", "UGX", 12), ("1.234", "BHD", 1234)]
        {
            let money = Money::parse(amount, currency).unwrap();
            assert_eq!(money.minor, minor);
            let json = serde_json::to_value(money).unwrap();
            assert_eq!(json, serde_json::json!({"amount": amount, "currency": currency}));
            assert_eq!(serde_json::from_value::<Money>(json).unwrap(), money);
        }
    }

    #[test]
    fn refuses_what_is_not_exact() {
        for amount in ["1160", "1160.0", "1160.000", "1,160.00", "", ".00", "1e3", "+1.00", "1 .00", "٣.00"] {
            assert!(Money::parse(amount, "KES").is_err(), "{amount}");
        }
        assert_eq!(Money::parse("99999999999999999.00", "KES"), Err(MoneyError::TooLarge));
        assert_eq!(Money::parse("1.00", "KSH"), Err(MoneyError::Currency));
    }
}
