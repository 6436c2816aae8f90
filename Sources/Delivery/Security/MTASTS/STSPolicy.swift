/// What a domain's TXT record says: that there is a policy, and when it is another one (RFC 8461 section 3.1).
package struct STSRecord: Hashable, Sendable {
    /// Changes with the policy: up to 32 letters and digits.
    package let id: String

    /// Reads the TXT records of `_mta-sts.DOMAIN`; `nil` where not exactly one is a right one.
    package init?(_ texts: [String]) {
        guard let id = TaggedRecord(texts, version: "STSv1")?["id"] else { return nil }
        guard (1...32).contains(id.count), id.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
            return nil
        }
        self.id = String(id)
    }
}

/// What a domain asks of those who deliver to it (RFC 8461 section 3.2).
package struct STSPolicy: Hashable, Codable, Sendable {
    package enum Mode: String, Hashable, Codable, Sendable {
        /// Only to the hosts of the policy, and only with TLS and a trusted certificate.
        case enforce
        /// As without a policy, but failures are reported.
        case testing
        /// The domain has no policy any more.
        case none
    }
    package let mode: Mode
    /// Seconds for which it holds.
    package let maximumAge: Int
    /// Names of MX hosts, in lower case; `*.` stands for one label.
    package let hosts: [String]

    /// Seconds of a year: a policy holds no longer.
    private static let longestAge = 31_557_600

    /// Why a text is no policy.
    package struct Malformed: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    /// Reads a policy.
    package init(_ text: some Collection<UInt8>) throws(Malformed) {
        guard let text = String(validating: Array(text), as: UTF8.self) else {
            throw Malformed(description: "not UTF-8")
        }
        var fields: [String: String] = [:]
        var hosts: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else {
                guard line.trimmingBlanks.isEmpty else { throw Malformed(description: "a line without a colon") }
                continue
            }
            let key = String(line[..<colon].trimmingBlanks)
            let value = String(line[line.index(after: colon)...].trimmingBlanks)
            if key == "mx" {
                hosts.append(value.lowercased())
            } else if fields[key] == nil {
                fields[key] = value  // of several the first one counts
            }
        }
        guard fields["version"] == "STSv1" else { throw Malformed(description: "version is not STSv1") }
        guard let mode = fields["mode"].flatMap(Mode.init(rawValue:)) else {
            throw Malformed(description: "mode is not enforce, testing or none")
        }
        let digits = fields["max_age"] ?? ""
        guard (1...10).contains(digits.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let age = Int(digits)
        else { throw Malformed(description: "max_age is not a number of seconds") }
        guard mode == .none || !hosts.isEmpty else { throw Malformed(description: "no mx") }
        guard hosts.allSatisfy(Self.isPattern) else { throw Malformed(description: "mx is no host name") }
        self.mode = mode
        self.maximumAge = min(age, Self.longestAge)
        self.hosts = hosts
    }

    private static func isPattern(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        return (1...253).contains(name.utf8.count)
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
                (1...63).contains(label.utf8.count)
                    && label.utf8.allSatisfy { octet in
                        octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
                            || (0x30...0x39).contains(octet) || (0x61...0x7A).contains(octet)
                    }
            }
    }

    /// Whether a host is one of the policy's (RFC 8461 section 4.1).
    package func allows(_ host: String) -> Bool {
        var host = host.lowercased()[...]
        if host.hasSuffix(".") { host = host.dropLast() }
        return self.hosts.contains { pattern in
            guard pattern.hasPrefix("*.") else { return pattern == host }
            guard let dot = host.firstIndex(of: "."), dot > host.startIndex else { return false }
            return host[dot...] == pattern.dropFirst()
        }
    }
}
