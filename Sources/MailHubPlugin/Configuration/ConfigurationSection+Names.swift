/// Names that other parts of config.json give.
///
/// One that nobody has given is reported, where the hub reads its configuration; in a test of one plugin all names are right.
extension ConfigurationSection {
    /// What has names.
    enum NameKind: String {
        case listener
        case route
    }

    /// Tells all sections of the file which names there are.
    package func announce(listeners: Set<String>, routes: Set<String>) {
        self.report.names = [.listener: listeners, .route: routes]
    }

    /// The name of a route; `nil` where it is absent.
    public func optionalRoute(_ key: String) -> String? {
        guard let name = self.optionalString(key) else { return nil }
        if let fix = self.fix(forUnknown: name, .route) {
            self.report("there is no route \(Quotation.of(name))", at: key, fix: fix)
        }
        return name
    }

    /// The name of a route that must be there.
    public func requiredRoute(_ key: String) -> String {
        self.has(key) ? self.optionalRoute(key) ?? "" : self.requiredString(key)
    }

    /// Names of listeners; `nil` where they are absent.
    public func listeners(_ key: String) -> [String]? {
        guard let names = self.strings(key) else { return nil }
        for (index, name) in names.enumerated() {
            guard let fix = self.fix(forUnknown: name, .listener) else { continue }
            self.report("there is no listener \(Quotation.of(name))", at: key, index: index, fix: fix)
        }
        return names
    }

    /// Reports a key that is to be the name of a listener, and is none.
    public func checkListener(key name: String) {
        guard let fix = self.fix(forUnknown: name, .listener) else { return }
        self.report("there is no listener \(Quotation.of(name))", withKey: name, fix: fix)
    }

    private func fix(forUnknown name: String, _ kind: NameKind) -> String? {
        guard let names = self.report.names[kind], !names.contains(name) else { return nil }
        return Spelling.suggestion(for: name, among: names)
            ?? "name one of: \(names.sorted().map(Quotation.of).joined(separator: ", "))"
    }
}
