package import SMTP

/// An answer of the DNS, and what DNSSEC says of it.
package struct ValidatedLookup<Value: Sendable>: Sendable {
    package let lookup: Lookup<Value>
    /// Whether the answer, be it that there is nothing, is validated by DNSSEC, with all aliases that lead to it
    /// ("secure", RFC 4035 section 4.3).
    package let isSecure: Bool
    /// Where CNAME records led; `nil` where the name is no alias.
    package let canonicalName: String?

    package init(_ lookup: Lookup<Value>, isSecure: Bool = false, canonicalName: String? = nil) {
        self.lookup = lookup
        self.isSecure = isSecure
        self.canonicalName = canonicalName
    }
}

/// Answers of the DNS for those who rely on DNSSEC: DANE (RFC 7672) trusts nothing else.
///
/// An answer that fails validation is `unavailable`, as if there was none.
package protocol ValidatingResolver: NameResolver {
    /// As `mailExchangers(of:)`.
    func validatedMailExchangers(of domain: String) async -> ValidatedLookup<[MailExchanger]>

    /// As `addresses(of:)`.
    func validatedAddresses(of host: String) async -> ValidatedLookup<[IPAddress]>

    /// Where the alias leads that a name itself is (RFC 1034 section 3.6.2), and whether that one step is secure, wherever it leads.
    /// `notFound` where it is none.
    func validatedAlias(of name: String) async -> ValidatedLookup<String>

    /// The data of the TLSA records of a name (RFC 6698 section 2.1), as they are. `notFound` as for addresses.
    func associations(of name: String) async -> ValidatedLookup<[[UInt8]]>
}

/// A resolver that knows nothing of DNSSEC: nothing that it says is secure.
extension ValidatingResolver {
    package func validatedMailExchangers(of domain: String) async -> ValidatedLookup<[MailExchanger]> {
        ValidatedLookup(await self.mailExchangers(of: domain))
    }

    package func validatedAddresses(of host: String) async -> ValidatedLookup<[IPAddress]> {
        ValidatedLookup(await self.addresses(of: host))
    }

    package func validatedAlias(of name: String) async -> ValidatedLookup<String> { ValidatedLookup(.notFound) }

    package func associations(of name: String) async -> ValidatedLookup<[[UInt8]]> { ValidatedLookup(.notFound) }
}
