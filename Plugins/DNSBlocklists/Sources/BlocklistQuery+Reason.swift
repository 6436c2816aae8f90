import MailHubPlugin

extension BlocklistQuery {
    /// Why a list has an entry: its TXT record, cut to what a log line needs.
    func reason(for name: String) async -> String? {
        let texts = await withTaskGroup(of: [String]?.self) { group in
            group.addTask { if case .found(let texts) = await self.resolver.texts(of: name) { texts } else { nil } }
            group.addTask {
                try? await Task.sleep(for: min(self.timeLimit, .seconds(1)))
                return nil
            }
            let first = await group.next()
            group.cancelAll()
            return first ?? nil
        }
        guard let text = texts?.first else { return nil }
        let printable = text.unicodeScalars.prefix(200).map {
            $0.value < 0x20 || $0.value == 0x7F ? " " : Character($0)
        }
        return String(printable)
    }
}
