/// What a server offers, from its reply to EHLO (RFC 5321 section 4.1.1.1).
package struct ServerCapabilities: Hashable, Sendable {
    package var pipelining = false
    package var eightBitMIME = false
    package var internationalized = false
    package var chunking = false
    package var notifications = false
    /// RFC 3207.
    package var startTLS = false
    /// The mechanisms of AUTH, in upper case (RFC 4954 section 3).
    package var authenticationMechanisms: Set<String> = []
    /// RFC 8689; counts inside TLS only.
    package var requireTLS = false
    /// SIZE was offered.
    package var size = false
    /// The largest message it takes, in octets; `nil` where it names no limit (RFC 1870 section 3).
    package var maximumSize: Int?

    /// Nothing: a server that was greeted with HELO.
    package init() {}

    /// Reads the keywords, in any case; unknown ones are passed over.
    package init(ehlo reply: Reply) {
        for line in reply.lines.dropFirst() {
            let words = line.split(separator: " ")
            switch words.first?.uppercased() {
            case "PIPELINING": self.pipelining = true
            case "8BITMIME": self.eightBitMIME = true
            case "SMTPUTF8": self.internationalized = true
            case "CHUNKING": self.chunking = true
            case "STARTTLS": self.startTLS = true
            case "AUTH": self.authenticationMechanisms.formUnion(words.dropFirst().map { $0.uppercased() })
            case "REQUIRETLS": self.requireTLS = true
            case "DSN": self.notifications = true
            case "SIZE":
                self.size = true
                if words.count > 1, let limit = Int(words[1]), limit > 0 { self.maximumSize = limit }
            default: continue
            }
        }
    }
}
