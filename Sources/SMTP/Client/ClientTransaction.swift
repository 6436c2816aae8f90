/// One mail transaction from the sending side: what to send when, and what became of each recipient
/// (RFC 5321 sections 3.3 and 4.2, RFC 2920 section 3.1, RFC 3030 section 2, RFC 2033 section 4.2).
package struct ClientTransaction: Sendable {
    /// How the content travels.
    package enum ContentCommand: Hashable, Sendable {
        case data
        /// One chunk, `BDAT n LAST`.
        case chunk
    }

    /// A command line that the caller encodes.
    package enum Line: Hashable, Sendable {
        case mail
        case recipient(Int)
        case data
    }

    /// What to do next.
    package enum Action: Hashable, Sendable {
        /// Send these lines in one write, then feed the replies.
        case send([Line])
        /// Send the content with its end (for `chunk`, the BDAT line first), then feed the replies.
        case sendContent
        /// DATA was accepted although no recipient was: send a lone dot (RFC 2920 section 3.1).
        case sendEmptyContent
        /// Feed the next reply.
        case wait
        /// Over; where `reset`, RSET must be sent before the next MAIL. The outcomes are complete.
        case finished(reset: Bool)
        /// Over, and the session with it: send QUIT. The outcomes are complete.
        case closed
    }

    /// What became of a recipient.
    package enum Outcome: Hashable, Sendable {
        case delivered(Reply)
        case deferred(Reply)
        case failed(Reply)
        /// The server takes no more recipients in this transaction: try in another one, at once (RFC 5321 section 4.5.3.1.10).
        case again(Reply)
    }

    private enum Awaited { case mail, recipient(Int), data, content, emptyContent }

    private let count: Int
    private let pipelining: Bool
    private let isLMTP: Bool
    private let content: ContentCommand
    /// Replies to come for what has been sent, in order: they are matched by counting (RFC 2920 section 3.1).
    private var awaited: ArraySlice<Awaited> = []
    private var accepted: [Int] = []
    private var mailFailed = false
    /// By position; complete when the transaction is over.
    package private(set) var outcomes: [Outcome?]

    /// - Parameter recipients: their number, at least 1.
    package init(recipients: Int, pipelining: Bool, isLMTP: Bool, content: ContentCommand) {
        self.count = recipients
        self.pipelining = pipelining
        self.isLMTP = isLMTP
        self.content = content
        self.outcomes = Array(repeating: nil, count: recipients)
    }

    /// Begins.
    package mutating func start() -> Action {
        guard self.pipelining else {
            self.awaited = [.mail]
            return .send([.mail])
        }
        var lines: [Line] = [.mail]
        self.awaited = [.mail]
        for index in 0..<self.count {
            lines.append(.recipient(index))
            self.awaited.append(.recipient(index))
        }
        if self.content == .data {
            lines.append(.data)
            self.awaited.append(.data)
        }
        return .send(lines)
    }

    /// Takes the next reply.
    package mutating func received(_ reply: Reply) -> Action {
        guard let awaited = self.awaited.popFirst() else { return .wait }
        if reply.code == 421 {
            self.decideRest(.deferred(reply))
            return .closed
        }
        switch awaited {
        case .mail: return self.mailAnswered(reply)
        case .recipient(let index): return self.recipientAnswered(index, reply)
        case .data: return self.dataAnswered(reply)
        case .content: return self.contentAnswered(reply)
        case .emptyContent: return .finished(reset: false)
        }
    }

    /// The connection is gone: what is not decided is tried again (RFC 5321 section 3.8).
    package mutating func connectionLost(_ reply: Reply) {
        self.awaited = []
        self.decideRest(.deferred(reply))
    }

    // MARK: Replies

    private mutating func mailAnswered(_ reply: Reply) -> Action {
        guard reply.code.replyClass != .completion else {
            return self.awaited.isEmpty ? self.send(.recipient(0), .recipient(0)) : .wait
        }
        self.mailFailed = true
        self.decideRest(Self.refusal(reply))
        return self.awaited.isEmpty ? .finished(reset: false) : .wait
    }

    private mutating func recipientAnswered(_ index: Int, _ reply: Reply) -> Action {
        if !self.mailFailed {
            switch reply.code.replyClass {
            case .completion:
                self.accepted.append(index)
            case .transientFailure where reply.code == 452, .permanentFailure where reply.code == 552:
                // Too many recipients, if others were accepted; else the server means this one.
                self.outcomes[index] = self.accepted.isEmpty ? Self.refusal(reply) : .again(reply)
            case .intermediate, .transientFailure, .permanentFailure, .invalid:
                self.outcomes[index] = Self.refusal(reply)
            }
        }
        guard self.awaited.isEmpty else { return .wait }
        if !self.pipelining, index + 1 < self.count { return self.send(.recipient(index + 1), .recipient(index + 1)) }
        return self.recipientsAnswered()
    }

    /// All recipients have their replies, and nothing else is under way.
    private mutating func recipientsAnswered() -> Action {
        guard !self.accepted.isEmpty else { return .finished(reset: !self.mailFailed) }
        switch self.content {
        case .data: return self.send(.data, .data)
        case .chunk: return self.beginContent()
        }
    }

    private mutating func dataAnswered(_ reply: Reply) -> Action {
        guard reply.code.replyClass == .intermediate else {
            self.decideRest(Self.refusal(reply))
            return .finished(reset: !self.mailFailed)
        }
        guard !self.accepted.isEmpty else {
            self.awaited = [.emptyContent]
            return .sendEmptyContent
        }
        return self.beginContent()
    }

    private mutating func beginContent() -> Action {
        self.awaited = ArraySlice(repeating: .content, count: self.isLMTP ? self.accepted.count : 1)
        return .sendContent
    }

    private mutating func contentAnswered(_ reply: Reply) -> Action {
        let outcome: Outcome = reply.code.replyClass == .completion ? .delivered(reply) : Self.refusal(reply)
        if self.isLMTP {
            // One reply for each accepted recipient, in order (RFC 2033 section 4.2).
            let position = self.accepted.count - self.awaited.count - 1
            if self.accepted.indices.contains(position) { self.outcomes[self.accepted[position]] = outcome }
            guard self.awaited.isEmpty else { return .wait }
        } else {
            for index in self.accepted { self.outcomes[index] = outcome }
        }
        return .finished(reset: false)
    }

    private mutating func send(_ line: Line, _ awaited: Awaited) -> Action {
        self.awaited = [awaited]
        return .send([line])
    }

    private mutating func decideRest(_ outcome: Outcome) {
        for index in self.outcomes.indices where self.outcomes[index] == nil { self.outcomes[index] = outcome }
    }

    /// By the first digit alone (RFC 5321 section 4.2): what is no clear "no" is tried again.
    private static func refusal(_ reply: Reply) -> Outcome {
        reply.code.replyClass == .permanentFailure ? .failed(reply) : .deferred(reply)
    }
}
