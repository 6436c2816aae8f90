/// Reads the client's message of OAUTHBEARER (RFC 7628 section 3.1) and of XOAUTH2.
enum TokenResponse {
    /// - Returns: `nil` for what is none.
    static func read(_ octets: [UInt8], _ mechanism: SASLMechanism) -> TokenClaim? {
        var parts = octets.split(separator: 1, omittingEmptySubsequences: false)
        // Ends with two times 0x01: `kvpairs` and the end of the message.
        guard parts.count >= 3, parts.popLast()?.isEmpty == true, parts.popLast()?.isEmpty == true else { return nil }
        guard !parts.isEmpty else { return nil }
        let user: String?
        if mechanism == .oauthBearer {
            guard let named = self.identity(parts.removeFirst()) else { return nil }
            user = named.user
        } else {
            guard let text = self.text(parts.removeFirst(), behind: "user="), let name = Prepared.text(text) else {
                return nil
            }
            user = name
        }
        var token: String?
        for part in parts {
            guard let value = self.text(part, behind: "auth=") else { continue }
            let words = value.split(separator: " ", omittingEmptySubsequences: true)
            guard token == nil, words.count == 2, words[0].lowercased() == "bearer", self.isToken(words[1]) else {
                return nil
            }
            token = String(words[1])
        }
        return token.map { TokenClaim(user: user, token: $0) }
    }

    /// `gs2-header`: `n,a=NAME,` or `n,,`; there is no channel binding (RFC 7628 section 3.1).
    private static func identity(_ header: ArraySlice<UInt8>) -> (user: String?, Void)? {
        let parts = header.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].isEmpty, parts[0].elementsEqual("n".utf8) || parts[0].elementsEqual("y".utf8)
        else { return nil }
        guard !parts[1].isEmpty else { return (nil, ()) }
        return SCRAMSyntax.attribute("a", parts[1]).flatMap { SCRAMSyntax.name($0) }.map { ($0, ()) }
    }

    private static func text(_ part: ArraySlice<UInt8>, behind key: String) -> String? {
        guard part.starts(with: key.utf8) else { return nil }
        return String(validating: part.dropFirst(key.utf8.count), as: UTF8.self)
    }

    /// `b64token` (RFC 6750 section 2.1).
    private static func isToken(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { octet in
            (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                || "-._~+/=".utf8.contains(octet)
        }
    }
}

/// What a token is worth.
package enum TokenVerdict: Hashable, Sendable {
    /// It is right, and names this user.
    case valid(user: String)
    /// Why it is not; for our log.
    case invalid(String)
}
