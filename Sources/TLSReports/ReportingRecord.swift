import Delivery
package import SMTP

/// Where a domain wants its reports (RFC 8460 section 3).
package struct ReportingRecord: Hashable, Sendable {
    package enum Destination: Hashable, Sendable {
        case mailbox(Mailbox)
        case https(host: String, port: Int, path: String)
    }
    /// In the order of the record; at least one.
    package let destinations: [Destination]

    /// The most that are taken of a record.
    private static let mostDestinations = 4

    /// Reads the TXT records of `_smtp._tls.DOMAIN`; `nil` where not exactly one is a right one.
    package init?(_ texts: [String]) {
        guard let uris = TaggedRecord(texts, version: "TLSRPTv1")?["rua"] else { return nil }
        let destinations = uris.split(separator: ",").compactMap { Destination(String($0.trimmingBlanks)) }
        guard !destinations.isEmpty else { return nil }
        self.destinations = Array(destinations.prefix(Self.mostDestinations))
    }
}

extension ReportingRecord.Destination {
    /// Reads a URI; `nil` for those that are of no use here.
    init?(_ uri: String) {
        if uri.lowercased().hasPrefix("mailto:") {
            let address = uri.dropFirst(7).prefix { $0 != "?" }
            guard let decoded = Self.decoded(address), let mailbox = Mailbox(decoded), mailbox.isASCII else {
                return nil
            }
            self = .mailbox(mailbox)
        } else if uri.lowercased().hasPrefix("https://") {
            let rest = uri.dropFirst(8).prefix { $0 != "#" }
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard let host = parts.first, Domain(host) != nil, parts.count <= 2, !authority.contains("@") else {
                return nil
            }
            let port = parts.count == 2 ? Int(parts[1]) ?? 0 : 443
            let path = rest.dropFirst(authority.count)
            guard (1...65535).contains(port), path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
            self = .https(host: host.lowercased(), port: port, path: path.hasPrefix("/") ? String(path) : "/\(path)")
        } else {
            return nil
        }
    }

    /// Undoes percent-encoding (RFC 3986 section 2.1).
    private static func decoded(_ text: some StringProtocol) -> String? {
        var result: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let octet = rest.popFirst() {
            guard octet == UInt8(ascii: "%") else {
                result.append(octet)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            result.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: result, as: UTF8.self)
    }
}
