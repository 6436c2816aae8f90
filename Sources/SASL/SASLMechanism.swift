import Foundation

/// How a client may prove who it is (RFC 4422); the hub knows these.
package enum SASLMechanism: String, CaseIterable, Hashable, Sendable {
    /// RFC 7677, bound to the TLS connection (RFC 5802 section 6).
    case scramSHA256Plus = "SCRAM-SHA-256-PLUS"
    /// RFC 7677.
    case scramSHA256 = "SCRAM-SHA-256"
    /// A token instead of a password (RFC 7628).
    case oauthBearer = "OAUTHBEARER"
    /// The same, as it was before there was an RFC; what most clients know.
    case xoauth2 = "XOAUTH2"
    /// RFC 4616.
    case plain = "PLAIN"
    /// Older than any RFC, and still all that some clients know.
    case login = "LOGIN"
    /// Who the client's certificate says it is (RFC 4422 appendix A).
    case external = "EXTERNAL"

    /// Whether it sends what others could use as well: only inside TLS (RFC 4954 section 4, RFC 4616 section 3, RFC 7628
    /// section 3).
    package var sendsSecret: Bool {
        switch self {
        case .plain, .login, .oauthBearer, .xoauth2: true
        case .scramSHA256Plus, .scramSHA256, .external: false
        }
    }
}

/// Names and passwords as they are compared (RFC 4013, with the mappings that matter and Unicode's NFKC).
package enum Prepared {
    /// - Returns: `nil` for what must not be in a name or password: control characters, or nothing at all.
    package static func text(_ text: String) -> String? {
        if text.utf8.allSatisfy({ $0 > 0x1F && $0 < 0x7F }) { return text.isEmpty ? nil : text }
        var mapped = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            // Mapped to nothing (RFC 3454 table B.1).
            case 0xAD, 0x34F, 0x1806, 0x180B...0x180D, 0x200B...0x200D, 0x2060, 0xFE00...0xFE0F, 0xFEFF: continue
            // Spaces (table C.1.2).
            case 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: mapped.append(" ")
            default: mapped.append(scalar)
            }
        }
        let normal = String(mapped).precomposedStringWithCompatibilityMapping
        let isClean = normal.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        return normal.isEmpty || !isClean ? nil : normal
    }
}
