import MailHubPlugin
import MailQueue
import SMTP

/// DATA (RFC 5321 section 4.1.1.4) and BDAT (RFC 3030 section 2): up to the moment when content begins.
extension SMTPSession {
    private var hasRecipients: Bool { (self.transaction?.acceptedRecipients ?? 0) > 0 }

    func data() -> Work? {
        switch self.sequence.data(hasRecipients: self.hasRecipients) {
        case .reply(let reply):
            self.refuse(reply)
            return nil
        case .askHooks:
            return self.askAboutContent(nil)
        }
    }

    func chunk(size: Int, isLast: Bool) -> Work? {
        switch self.sequence.chunk(hasRecipients: self.hasRecipients) {
        case .discard(let reply):
            self.mode = .chunk(remaining: size, isLast: isLast, discardedWith: reply)
        case .receive:
            self.mode = .chunk(remaining: size, isLast: isLast, discardedWith: nil)
        case .askHooks:
            return self.askAboutContent((size, isLast))
        }
        return nil
    }

    /// - Parameter chunk: the first BDAT with its size; `nil` with DATA.
    private func askAboutContent(_ chunk: (size: Int, isLast: Bool)?) -> Work? {
        guard !self.settings.hooks.data.isEmpty else {
            self.beginContent(chunk)
            return nil
        }
        guard let envelope = self.sequence.envelope, let seen = self.transaction?.context(envelope) else {
            self.refuseContent(chunk, .temporaryFailure)  // nobody could be asked
            return nil
        }
        let question = DataQuestion(transaction: seen, session: self.context)
        return self.ask(question, self.settings.hooks.data) { session, result in
            session.decide(chunk, result)
            return nil
        }
    }

    private func decide(_ chunk: (size: Int, isLast: Bool)?, _ result: ChainResult<Void, DataOutcome>) {
        switch result {
        case .passed, .decided(.next, _), .decided(.accept, _):
            self.beginContent(chunk)
        case .decided(.reject(let reply), _):
            self.refuseContent(chunk, reply.withClass(.permanentFailure, else: .policyRefusal))
        case .decided(.defer(let reply), _):
            self.refuseContent(chunk, reply.withClass(.transientFailure, else: .temporaryFailure))
        case .decided(.disconnect(let reply), _):
            self.disconnect(with: reply)
        case .failed:
            self.refuseContent(chunk, .temporaryFailure)
        }
    }

    private func beginContent(_ chunk: (size: Int, isLast: Bool)?) {
        self.sequence.contentDecided(isAccepted: true, inChunks: chunk != nil)
        self.openSpool()
        if let chunk {
            self.mode = .chunk(remaining: chunk.size, isLast: chunk.isLast, discardedWith: nil)
        } else {
            self.mode = .data(DataDecoder())
            self.reply(.startData)
        }
    }

    private func refuseContent(_ chunk: (size: Int, isLast: Bool)?, _ reply: Reply) {
        self.sequence.contentDecided(isAccepted: false, inChunks: chunk != nil)
        if let chunk {
            self.mode = .chunk(remaining: chunk.size, isLast: chunk.isLast, discardedWith: reply)
        } else {
            self.refuse(reply)
        }
    }
}

private struct DataQuestion: StageQuestion {
    let transaction: TransactionContext
    let session: SessionContext

    func ask(_ hook: any DataHook, _: inout Void) async throws -> ChainStep<DataOutcome> {
        switch try await hook.data(self.transaction, self.session) {
        case .next: .next
        case let outcome: .decided(outcome)
        }
    }
}
