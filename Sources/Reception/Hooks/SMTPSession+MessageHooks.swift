import InternetMessage
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// A message while header and message hooks look at it.
///
/// A chain copies its state, and so the state copies little.
struct MessageState: Sendable {
    private final class Received: Sendable {
        let message: ReceivedMessage
        let header: HeaderSection
        let headerLength: Int

        init(message: ReceivedMessage, header: HeaderSection, headerLength: Int) {
            self.message = message
            self.header = header
            self.headerLength = headerLength
        }
    }
    private final class Edited: Sendable {
        let header: HeaderSection
        /// What a plugin put in place of the received body.
        let body: ByteBuffer?

        init(header: HeaderSection, body: ByteBuffer?) {
            self.header = header
            self.body = body
        }
    }
    private let received: Received
    private var edited: Edited?
    var isDiscarded = false
    var holdReason: String?
    /// Made for plugins; `nil` once the message has changed.
    private var lastContext: MessageContext?

    init(message: ReceivedMessage, header: HeaderSection, headerLength: Int) {
        self.received = Received(message: message, header: header, headerLength: headerLength)
    }

    /// As received.
    var message: ReceivedMessage { self.received.message }
    /// Octets of the header section as received, the empty line included.
    var headerLength: Int { self.received.headerLength }
    var isChanged: Bool { self.edited != nil }
    /// With the edits so far.
    var header: HeaderSection { self.edited?.header ?? self.received.header }
    /// The body that a plugin put in place of the received one.
    var body: ByteBuffer? { self.edited?.body }

    /// What the next plugin sees: made for the first of several that see the same.
    var contextForHook: MessageContext { self.lastContext ?? self.context }

    mutating func prepareContext() { self.lastContext = self.contextForHook }

    /// What the next plugin sees.
    var context: MessageContext {
        let body = self.body?.readableBytes ?? PluginContent(message: self.message, offset: self.headerLength).size
        return MessageContext(
            header: self.header,
            size: (self.isChanged ? self.header.encodedLength : self.headerLength) + body,
            content: self.isChanged
                ? EditedContent(state: self) : PluginContent(message: self.message)
        )
    }

    mutating func apply(_ edit: MessageEdit) throws {
        self.lastContext = nil
        switch edit {
        case .header(let edit):
            var header = self.header
            try header.apply(edit)
            self.edited = Edited(header: header, body: self.body)
        case .replaceBody(let bytes):
            self.edited = Edited(header: self.header, body: ByteBuffer(bytes: bytes))
        }
    }

    /// The message to store: the received one, or a new one written with the edits; the received one stays as it is.
    ///
    /// - Parameters:
    ///   - name: a fresh name for a content that is written anew.
    ///   - isReceivedFree: whether the received content itself may be taken.
    func finished(under name: QueueID, isReceivedFree: Bool) async throws(StoreError) -> ReceivedMessage {
        if !self.isChanged {
            guard !isReceivedFree, case .file = self.message.content else { return self.message }
        }
        let directory = self.message.directory
        let spool = directory.spool(for: name)
        do {
            let trace = try await directory.prefix(of: self.message.content, upTo: self.message.traceLength)
            try await spool.append(trace)
            try await self.context.content.forEachPiece { try await spool.append($0) }
            let stored = try await spool.finish()
            return ReceivedMessage(content: stored, traceLength: trace.readableBytes, directory: directory)
        } catch {
            await spool.discard()
            throw (error as? StoreError) ?? .unavailable("\(error)")
        }
    }
}

extension MessageState {
    /// Notes an outcome that lets the chain go on; any other ends it.
    fileprivate mutating func note(_ outcome: MessageOutcome) throws -> ChainStep<MessageOutcome> {
        switch outcome {
        case .next: return .next
        case .change(let edits):
            for edit in edits { try self.apply(edit) }
            self.prepareContext()
        case .discard: self.isDiscarded = true
        case .hold(let reason): self.holdReason = reason
        case .accept, .reject, .defer, .disconnect: return .decided(outcome)
        }
        return .changed
    }
}

private struct HeaderQuestion: StageQuestion {
    let transaction: TransactionContext
    let session: SessionContext

    func ask(_ hook: any HeaderHook, _ state: inout MessageState) async throws -> ChainStep<MessageOutcome> {
        try state.note(try await hook.header(state.contextForHook, self.transaction, self.session))
    }
}

private struct MessageQuestion: StageQuestion {
    let transaction: TransactionContext
    let session: SessionContext

    func ask(_ hook: any MessageHook, _ state: inout MessageState) async throws -> ChainStep<MessageOutcome> {
        try state.note(try await hook.message(state.contextForHook, self.transaction, self.session))
    }
}

/// The octets of a message with a plugin's edits.
private struct EditedContent: MessageContent {
    let state: MessageState

    var size: Int { self.state.context.size }

    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {
        var header = ByteBuffer()
        self.state.header.write(into: &header)
        try await Self.inPieces(header, body)
        if let replaced = self.state.body { return try await Self.inPieces(replaced, body) }
        try await PluginContent(message: self.state.message, offset: self.state.headerLength).forEachPiece(body)
    }

    private static func inPieces(_ buffer: ByteBuffer, _ body: (ByteBuffer) async throws -> Void) async throws {
        var rest = buffer
        while rest.readableBytes > 0, let piece = rest.readSlice(length: min(rest.readableBytes, 65_536)) {
            try await body(piece)
        }
    }
}

extension SMTPSession {
    enum MessageAnswer {
        case taken(MessageState)
        case refused(Reply)
        case disconnected(Reply)
    }

    /// Asks the header hooks, then the message hooks.
    func askAboutMessage(
        _ message: ReceivedMessage,
        _ seen: TransactionContext,
        _ transaction: MailTransaction
    ) async -> MessageAnswer {
        var state: MessageState
        do {
            state = try await self.opened(message)
            if self.listener.role == .submission { try self.complete(&state, transaction) }
            state.prepareContext()
        } catch {
            self.logger.error("message cannot be read", metadata: ["error": "\(error)"])
            return .refused(.temporaryFailure)
        }
        let (aboutHeader, about) = (
            HeaderQuestion(transaction: seen, session: self.context),
            MessageQuestion(transaction: seen, session: self.context)
        )
        let first = self.answer(
            to: await self.runner.run(aboutHeader, self.settings.hooks.header, state, willWait: self.flush)
        )
        guard case .taken(let state) = first else { return first }
        return self.answer(
            to: await self.runner.run(about, self.settings.hooks.message, state, willWait: self.flush)
        )
    }

    /// Adds the fields that a message must have and its author's program has left out (RFC 6409 sections 8.2 and 8.3).
    private func complete(_ state: inout MessageState, _ transaction: MailTransaction) throws {
        if state.header.first(named: "Date") == nil {
            var date = ByteBuffer()
            DateTime(self.services.clock.now).write(into: &date)
            try state.apply(.header(.append(name: "Date", value: String(buffer: date))))
        }
        if state.header.first(named: "Message-ID") == nil {
            let value = "<\(transaction.id)@\(self.settings.hostname)>"
            try state.apply(.header(.append(name: "Message-ID", value: value)))
        }
    }

    private func opened(_ message: ReceivedMessage) async throws -> MessageState {
        let length = message.traceLength + HeaderSection.mostOctets
        var head = try await message.directory.prefix(of: message.content, upTo: length)
        head.moveReaderIndex(forwardBy: min(message.traceLength, head.readableBytes))
        let header = HeaderSection(parsing: head)
        return MessageState(message: message, header: header, headerLength: header.length)
    }

    private func answer(to result: ChainResult<MessageState, MessageOutcome>) -> MessageAnswer {
        switch result {
        case .passed(let state), .decided(.accept, let state), .decided(.next, let state), .decided(.change, let state),
            .decided(.discard, let state), .decided(.hold, let state):
            .taken(state)
        case .decided(.reject(let reply), _): .refused(reply.withClass(.permanentFailure, else: .messageRefused))
        case .decided(.defer(let reply), _): .refused(reply.withClass(.transientFailure, else: .temporaryFailure))
        case .decided(.disconnect(let reply), _): .disconnected(reply)
        case .failed: .refused(.temporaryFailure)
        }
    }
}

extension Reply {
    /// For a plugin that refuses a message with a reply of the wrong class.
    static let messageRefused = Reply(554, .init(7, 1), "Refused by policy")
}

extension HeaderSection {
    /// Octets that the section takes when it is written.
    fileprivate var encodedLength: Int {
        var buffer = ByteBuffer()
        self.write(into: &buffer)
        return buffer.readableBytes
    }
}
