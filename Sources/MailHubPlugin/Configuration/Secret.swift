import FoundationEssentials

/// A password or key of the configuration: whoever prints or logs it by mistake shows only that it is one.
public struct Secret: Hashable, Sendable {
    /// The secret itself, for those who must say it to somebody.
    public let value: String

    /// Wraps a secret.
    public init(_ value: String) { self.value = value }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// A placeholder.
    public var description: String { "(secret)" }
    /// A placeholder.
    public var debugDescription: String { self.description }
    /// No children: a dump shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension ConfigurationSection {
    /// A secret: `{"file": "…"}`, `{"environment": "…"}`, or the string itself; `nil` where it is absent or wrong.
    ///
    /// Of a file, one line end at its end does not count. No problem shows the secret, nor any part of it. Who may read the
    /// file is the operator's decision: container runtimes mount secrets readable by everybody in the container, so such a
    /// file is taken as it is.
    public func secret(_ key: String) -> Secret? {
        switch self.node(key)?.value {
        case nil: return nil
        case .string(let text):
            if text.isEmpty {
                self.report("the secret is empty", at: key, fix: "write \(Self.secretForm)")
                return nil
            }
            return Secret(text)
        case .object:
            return self.section(key)?.referredSecret(owner: self, key)
        case .number, .boolean, .array, .null:
            // Not even the value that is wrong is shown: it may be the secret.
            self.report("expected a secret", at: key, fix: "write \(Self.secretForm)")
            return nil
        }
    }

    private static let secretForm = "{ \"file\": \"path\" } or { \"environment\": \"NAME\" }"
    private static let largestSecret = 65536

    private func referredSecret(owner: ConfigurationSection, _ key: String) -> Secret? {
        let path = self.filePath("file")
        let variable = self.optionalString("environment")
        switch (path, variable) {
        case (let path?, nil): return self.secret(ofFile: path)
        case (nil, let name?): return self.secret(ofVariable: name)
        case (_?, _?):
            self.report("both \"file\" and \"environment\"", at: "environment", fix: "remove one of them")
        case (nil, nil):
            // A wrong type is told already.
            guard !self.has("file"), !self.has("environment") else { return nil }
            owner.report("neither \"file\" nor \"environment\"", at: key, fix: "write \(Self.secretForm)")
        }
        return nil
    }

    private func secret(ofFile path: String) -> Secret? {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            let reason =
                switch (error as? CocoaError)?.code {
                case .fileReadNoSuchFile?, .fileNoSuchFile?: "there is no such file"
                case .fileReadNoPermission?: "permission denied"
                default: "it is no readable file"
                }
            self.report(
                "cannot read \(Quotation.of(path)): \(reason)",
                at: "file",
                fix: "name a file that the user of the hub may read"
            )
            return nil
        }
        guard data.count <= Self.largestSecret, var text = String(validating: data, as: UTF8.self), !text.contains("\0")
        else {
            self.report(
                "\(Quotation.of(path)) is not text of up to 64 KiB",
                at: "file",
                fix: "name a file that holds the secret and nothing else, as UTF-8"
            )
            return nil
        }
        // "\r\n" is one character.
        if let last = text.last, last == "\n" || last == "\r\n" { text.removeLast() }
        guard !text.isEmpty else {
            self.report("\(Quotation.of(path)) is empty", at: "file", fix: "write the secret into the file")
            return nil
        }
        return Secret(text)
    }

    private func secret(ofVariable name: String) -> Secret? {
        guard let text = ProcessInfo.processInfo.environment[name] else {
            self.report(
                "the environment has no variable \(Quotation.of(name))",
                at: "environment",
                fix: "set it where the hub is started, and where \"mailhub check\" is run"
            )
            return nil
        }
        guard !text.isEmpty else {
            self.report("the variable \(Quotation.of(name)) is empty", at: "environment", fix: "set it to the secret")
            return nil
        }
        return Secret(text)
    }
}
