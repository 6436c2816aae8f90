import SMTP

/// QUIT and RSET (RFC 5321 sections 4.1.1.5 and 4.1.1.10).
extension SMTPSession {
    func quit() {
        self.end(with: .closing(hostname: self.settings.hostname))
    }

    func reset() {
        self.reply(self.sequence.reset())
        self.transactionWasReset()
    }
}
