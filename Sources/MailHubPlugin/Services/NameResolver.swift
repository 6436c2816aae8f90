public import SMTP

/// The three answers of a look-up: "unavailable" can never turn into "not found".
public enum Lookup<Value: Sendable>: Sendable {
    /// There is an answer.
    case found(Value)
    /// The source says that there is nothing: final.
    case notFound
    /// The source could not say (time-out, SERVFAIL, connection lost): temporary. The text is for our log.
    case unavailable(String)
}

extension Lookup: Equatable where Value: Equatable {}

/// One MX record (RFC 5321 section 5.1).
public struct MailExchanger: Hashable, Sendable {
    /// Lower is tried first: 0 to 65535.
    public let preference: UInt16
    /// The host name in canonical form, without the trailing dot; empty for the root, which means "no mail" (RFC 7505).
    public let host: String

    /// Joins the two.
    public init(preference: UInt16, host: String) {
        self.preference = preference
        self.host = host
    }
}

/// Answers of the DNS.
///
/// Names are given in A-label form; CNAMEs are followed by the resolver.
public protocol NameResolver: Sendable {
    /// The MX records of a domain, in the order received. `notFound` for "no such domain", an empty list for "the domain
    /// exists without MX records" (then RFC 5321 section 5.1 has an implicit MX).
    func mailExchangers(of domain: String) async -> Lookup<[MailExchanger]>

    /// The addresses of a host, AAAA and A, in the order to be tried. `notFound` for "no such domain" and for "no addresses".
    func addresses(of host: String) async -> Lookup<[IPAddress]>

    /// The TXT records of a name, each with its strings joined. `notFound` as for addresses.
    func texts(of name: String) async -> Lookup<[String]>

    /// The names of an address (PTR). `notFound` as for addresses.
    func names(of address: IPAddress) async -> Lookup<[String]>
}
