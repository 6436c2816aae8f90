import MailHubPlugin

/// What session observers are told; nothing where nobody observes.
extension SMTPSession {
    func tell(_ kind: @autoclosure () -> SessionEvent.Kind) {
        guard let observers = self.settings.hooks.observers else { return }
        observers.tell(
            SessionEvent(
                session: self.identifier,
                clientAddress: self.clientAddress,
                listener: self.listener.name,
                time: self.services.clock.now,
                kind: kind()
            )
        )
    }
}
