/// A JSON object of config.json, read key by key.
///
/// An accessor returns a usable value whatever is there: where the value is wrong, the problem is recorded with its place, and
/// the default is returned, so that one run finds all problems. Keys that nobody asks for are reported as unknown.
public final class ConfigurationSection {
    /// Where problems are collected: shared by all sections of a file.
    final class Report {
        let file: String
        var problems: [ConfigurationProblem] = []
        /// The names in the file; none of a kind where they are not known.
        var names: [NameKind: Set<String>] = [:]
        init(file: String) { self.file = file }
    }

    /// The section's JSON path, such as `$.plugins[0].configuration`.
    public let path: String
    /// The folder of the file: relative paths in it start there.
    public let folder: String
    let report: Report
    let members: [JSONNode.Member]
    let position: SourcePosition
    private var asked: Set<String> = []
    /// Keys that are asked for, and unknown ones that are told already.
    private var settled: Set<String> = []
    private var children: [ConfigurationSection] = []

    init(_ members: [JSONNode.Member], at position: SourcePosition, path: String, folder: String, report: Report) {
        self.members = members
        self.position = position
        self.path = path
        self.folder = folder
        self.report = report
    }

    /// An empty section, for a plugin that was given no configuration and for tests.
    public convenience init() {
        self.init(
            [],
            at: SourcePosition(line: 1, column: 1),
            path: "$",
            folder: ".",
            report: Report(file: "config.json")
        )
    }

    /// A section from JSON text, for tests.
    ///
    /// - Throws: `ConfigurationProblem` where the text is not a JSON object.
    public static func parse(_ text: String, file: String = "config.json", folder: String = ".") throws
        -> ConfigurationSection
    {
        try self.parse(Array(text.utf8), file: file, folder: folder)
    }

    package static func parse(
        _ bytes: [UInt8],
        file: String,
        folder: String
    ) throws(ConfigurationProblem) -> ConfigurationSection {
        do throws(JSONSyntaxError) {
            let (node, repetitions) = try JSONParser.parse(bytes)
            guard case .object(let members) = node.value else {
                throw JSONSyntaxError(
                    position: node.position,
                    path: "$",
                    message: "expected an object, found \(node.kind)",
                    fix: "put { in front of all, and } behind it"
                )
            }
            let report = Report(file: file)
            report.problems = repetitions.map { ConfigurationProblem($0, file: file) }
            return ConfigurationSection(members, at: node.position, path: "$", folder: folder, report: report)
        } catch {
            throw ConfigurationProblem(error, file: file)
        }
    }

    /// The problems found so far in the whole file, unknown keys included, in the order of their places.
    ///
    /// Call it when all has been read.
    public func problems() -> [ConfigurationProblem] {
        self.reportUnknownKeys()
        return self.report.problems.sorted { $0.position < $1.position }
    }

    /// The keys that are there, in order; none of them counts as asked for.
    public var keys: [String] { self.members.map(\.key) }

    /// The keys of a nested object, without reading it.
    package func keys(of key: String) -> [String] {
        guard case .object(let members) = self.members.first(where: { $0.key == key })?.value.value else { return [] }
        return members.map(\.key)
    }

    /// Whether a key is there.
    public func has(_ key: String) -> Bool { self.members.contains { $0.key == key } }

    /// Whether a key holds an array without elements.
    package func isEmptyArray(_ key: String) -> Bool {
        guard case .array(let elements) = self.members.first(where: { $0.key == key })?.value.value else {
            return false
        }
        return elements.isEmpty
    }

    // MARK: Problems

    /// Records a problem with the value of a key (or with the section, where the key is not there).
    public func report(_ message: String, at key: String, fix: String) {
        let member = self.members.first { $0.key == key }
        self.record(message, member?.value.position ?? self.position, self.path(of: key), fix)
    }

    /// Records a problem with an element of an array.
    public func report(_ message: String, at key: String, index: Int, fix: String) {
        let node = self.members.first { $0.key == key }?.value
        var position = node?.position ?? self.position
        if case .array(let elements) = node?.value, elements.indices.contains(index) {
            position = elements[index].position
        }
        self.record(message, position, "\(self.path(of: key))[\(index)]", fix)
    }

    /// Records a problem with a key itself, where keys are names that the operator chooses.
    public func report(_ message: String, withKey key: String, fix: String) {
        let member = self.members.last { $0.key == key }
        self.record(message, member?.keyPosition ?? self.position, self.path(of: key), fix)
    }

    func path(of key: String) -> String { JSONPath.member(key, of: self.path) }

    func record(_ message: String, _ position: SourcePosition, _ path: String, _ fix: String) {
        self.report.problems.append(
            ConfigurationProblem(file: self.report.file, position: position, path: path, message: message, fix: fix)
        )
    }

    private func reportUnknownKeys() {
        for member in self.members where !self.asked.contains(member.key) {
            guard self.settled.insert(member.key).inserted else { continue }
            let known = self.asked.sorted().joined(separator: ", ")
            self.record(
                "unknown key",
                member.keyPosition,
                self.path(of: member.key),
                Spelling.suggestion(for: member.key, among: self.asked)
                    ?? (known.isEmpty ? "remove it" : "remove it; the keys here are: \(known)")
            )
        }
        for child in self.children { child.reportUnknownKeys() }
    }

    /// The JSON paths of all that has been asked for, in this section and those below, whether it is there or not.
    package func askedPaths() -> [String] {
        self.asked.sorted().map { self.path(of: $0) } + self.children.flatMap { $0.askedPaths() }
    }

    /// Lets a key be, whatever is in it: for what cannot be judged because of another problem.
    package func ignore(_ key: String) { self.asked.insert(key) }

    /// Lets all keys be that are there.
    package func ignoreAll() { for member in self.members { self.asked.insert(member.key) } }

    /// The node of a key; `nil` where it is absent.
    func node(_ key: String) -> JSONNode? {
        self.asked.insert(key)
        return self.members.first { $0.key == key }?.value
    }

    func wrongType(_ key: String, _ node: JSONNode, expected: String, _ index: String = "") {
        let fix: String
        switch node.value {
        case .null: fix = index.isEmpty ? "write \(expected), or remove the key" : "write \(expected), or remove it"
        case .number(let text) where expected == "a string": fix = "write it in double quotes: \"\(text)\""
        case .string(let text) where expected == "a whole number" && Int(text) != nil:
            fix = "write it without quotes: \(text)"
        case .string("true") where expected == "true or false": fix = "write it without quotes: true"
        case .string("false") where expected == "true or false": fix = "write it without quotes: false"
        case .string, .number, .boolean, .object, .array:
            switch expected {
            case "an array": fix = "put it in brackets: [ … ]"
            case "an object": fix = "write an object: { … }"
            default: fix = "write \(expected)"
            }
        }
        self.record("expected \(expected), found \(node.kind)", node.position, "\(self.path(of: key))\(index)", fix)
    }

    // MARK: Sections

    /// A nested object; `nil` where it is absent.
    public func section(_ key: String) -> ConfigurationSection? {
        guard let node = self.node(key) else { return nil }
        return self.child(node, key, "")
    }

    /// An array of objects; empty where it is absent.
    public func sections(_ key: String) -> [ConfigurationSection] {
        guard let node = self.node(key) else { return [] }
        guard case .array(let elements) = node.value else {
            self.wrongType(key, node, expected: "an array")
            return []
        }
        return elements.enumerated().compactMap { self.child($1, key, "[\($0)]") }
    }

    /// The members of a nested object whose values are objects; empty where it is absent.
    public func entries(_ key: String) -> [(key: String, section: ConfigurationSection)] {
        guard let section = self.section(key) else { return [] }
        return section.members.compactMap { member in section.section(member.key).map { (member.key, $0) } }
    }

    private func child(_ node: JSONNode, _ key: String, _ index: String) -> ConfigurationSection? {
        guard case .object(let members) = node.value else {
            self.wrongType(key, node, expected: "an object", index)
            return nil
        }
        return self.child(members, at: node.position, path: "\(self.path(of: key))\(index)")
    }

    /// An object that may be left out; empty where it is, but with its place, so that what is missing in it is told.
    ///
    /// - Returns: `nil` where the value is no object, which is reported.
    package func sectionOrEmpty(_ key: String) -> ConfigurationSection? {
        guard self.has(key) else {
            self.ignore(key)
            return self.child([], at: self.position, path: self.path(of: key))
        }
        return self.section(key)
    }

    private func child(
        _ members: [JSONNode.Member],
        at position: SourcePosition,
        path: String
    ) -> ConfigurationSection {
        let child = ConfigurationSection(
            members,
            at: position,
            path: path,
            folder: self.folder,
            report: self.report
        )
        self.children.append(child)
        return child
    }
}

extension ConfigurationProblem {
    fileprivate init(_ error: JSONSyntaxError, file: String) {
        self.init(file: file, position: error.position, path: error.path, message: error.message, fix: error.fix)
    }
}
