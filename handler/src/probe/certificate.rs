//! What a broker's certificate says, kept while OpenSSL looks at it: of one that is not trusted nothing is left afterwards.

use std::net::IpAddr;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::{GeneralNameRef, X509NameRef, X509Ref, X509StoreContextRef};

use super::report::Certificate;
use super::words::Fault;

/// OpenSSL's numbers (`X509_V_ERR_…`), which its Rust crate does not name.
mod number {
    pub(super) const UNABLE_TO_GET_ISSUER_CERT: i32 = 2;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED: i32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: i32 = 19;
    pub(super) const UNABLE_TO_GET_ISSUER_CERT_LOCALLY: i32 = 20;
    pub(super) const UNABLE_TO_VERIFY_LEAF_SIGNATURE: i32 = 21;
    pub(super) const HOSTNAME_MISMATCH: i32 = 62;
    pub(super) const IP_ADDRESS_MISMATCH: i32 = 64;
}

/// What was seen of the certificates that a broker shows.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The broker's own.
    pub(super) certificate: Option<Certificate>,
    /// The first thing that is wrong, with OpenSSL's words for it.
    pub(super) fault: Option<(Fault, String)>,
}

impl Shown {
    /// Looks at what OpenSSL looks at; `good`: what OpenSSL thinks of it.
    pub(super) fn look(&mut self, good: bool, context: &X509StoreContextRef) {
        let own = context.chain().and_then(|chain| chain.iter().next());
        if self.certificate.is_none() {
            self.certificate = own.or(context.current_cert()).map(certificate);
        }
        if !good && self.fault.is_none() {
            let error = context.error();
            let hosts = own.map(hosts).unwrap_or_default();
            let fault = fault(error.as_raw(), context.current_cert(), hosts);
            self.fault = Some((fault, error.error_string().to_owned()));
        }
    }
}

fn fault(number: i32, seen: Option<&X509Ref>, hosts: Vec<String>) -> Fault {
    let subject = || seen.map(|seen| name(seen.subject_name())).unwrap_or_default();
    match number {
        number::UNABLE_TO_GET_ISSUER_CERT
        | number::SELF_SIGNED
        | number::SELF_SIGNED_IN_CHAIN
        | number::UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | number::UNABLE_TO_VERIFY_LEAF_SIGNATURE => Fault::Authority {
            issuer: seen.map(|seen| name(seen.issuer_name())).unwrap_or_default(),
        },
        number::HAS_EXPIRED => Fault::Expired {
            subject: subject(),
            date: seen.map(|seen| date(seen.not_after())).unwrap_or_default(),
        },
        number::NOT_YET_VALID => Fault::NotYetValid { subject: subject() },
        number::HOSTNAME_MISMATCH | number::IP_ADDRESS_MISMATCH => Fault::Host { hosts },
        _ => Fault::Other,
    }
}

fn certificate(seen: &X509Ref) -> Certificate {
    Certificate {
        subject: name(seen.subject_name()),
        issuer: name(seen.issuer_name()),
        expires: date(seen.not_after()),
        hosts: hosts(seen),
    }
}

/// The names and addresses that a certificate is for.
fn hosts(seen: &X509Ref) -> Vec<String> {
    let names = seen.subject_alt_names();
    let host = |name: &GeneralNameRef| {
        let address = || match name.ipaddress()? {
            [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
            bytes => <[u8; 16]>::try_from(bytes)
                .ok()
                .map(|bytes| IpAddr::from(bytes).to_string()),
        };
        name.dnsname().map(str::to_owned).or_else(address)
    };
    names.iter().flatten().filter_map(host).collect()
}

/// A name as `CN=…, O=…`.
fn name(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let key = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string().unwrap_or_default();
        format!("{key}={value}")
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A time as RFC 3339 has it, in UTC.
fn date(time: &Asn1TimeRef) -> String {
    let since_epoch = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
    since_epoch.map_or_else(
        |_| time.to_string(),
        |since| rfc_3339(since.days.into(), since.secs.into()),
    )
}

/// The moment so many days and seconds after the Unix epoch.
fn rfc_3339(days: i64, seconds: i64) -> String {
    // Counted from 1 March of the year 0, so that a leap day comes last in its year.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day_of_month:02}T{hours:02}:{minutes:02}:{:02}Z",
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, seconds, date) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 86_399, "1969-12-31T23:59:59Z"),
            (11_016, 3_661, "2000-02-29T01:01:01Z"),
            (19_723, 0, "2024-01-01T00:00:00Z"),
            (47_540, 0, "2100-02-28T00:00:00Z"),
            (47_541, 0, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc_3339(days, seconds), date);
        }
    }

    #[test]
    fn a_certificate_s_end_is_a_date() {
        let end = Asn1Time::from_unix(1_700_000_000).expect("a time");
        assert_eq!(date(&end), "2023-11-14T22:13:20Z");
    }
}
