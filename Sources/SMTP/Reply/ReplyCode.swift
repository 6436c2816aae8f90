/// The three digits of a reply (RFC 5321 section 4.2).
public struct ReplyCode: Hashable, Sendable {
    /// 200 to 559 for codes that we send; a peer's may be any three digits.
    public let value: Int

    /// Makes a code that we send.
    ///
    /// - Returns: `nil` unless the first digit is 2 to 5 and the second 0 to 5 (RFC 5321 section 4.2).
    public init?(_ value: Int) {
        guard (200...559).contains(value), value / 10 % 10 <= 5 else { return nil }
        self.value = value
    }

    /// A code as received from a peer: any three digits are kept.
    package init(received value: Int) { self.value = value }

    /// The first digit, which alone decides what a client does (RFC 5321 section 4.2).
    public var replyClass: ReplyClass {
        switch self.value / 100 {
        case 2: .completion
        case 3: .intermediate
        case 4: .transientFailure
        case 5: .permanentFailure
        default: .invalid
        }
    }
}

/// What the first digit of a reply says (RFC 5321 section 4.2.1).
public enum ReplyClass: Hashable, Sendable {
    /// 2yz: done.
    case completion
    /// 3yz: go on.
    case intermediate
    /// 4yz: try again later.
    case transientFailure
    /// 5yz: do not repeat the request.
    case permanentFailure
    /// Outside the protocol.
    case invalid
}

extension ReplyCode: ExpressibleByIntegerLiteral {
    /// For literals in our own source; a wrong one is loud in debug and 451 in release.
    public init(integerLiteral value: Int) {
        guard let code = ReplyCode(value) else {
            assertionFailure("not a reply code: \(value)")
            self.init(received: 451)
            return
        }
        self = code
    }
}

extension ReplyCode: CustomStringConvertible {
    /// Three digits.
    public var description: String { String(self.value) }
}

/// Subject and detail of an enhanced status code; its class comes from the reply code, so that the two cannot disagree
/// (RFC 3463 section 2, RFC 2034 section 4).
public struct EnhancedStatusCode: Hashable, Sendable {
    /// The second number: 0 to 999.
    public let subject: Int
    /// The third number: 0 to 999.
    public let detail: Int

    /// Makes a code; numbers outside 0 to 999 are clamped.
    public init(_ subject: Int, _ detail: Int) {
        self.subject = min(max(subject, 0), 999)
        self.detail = min(max(detail, 0), 999)
    }
}
