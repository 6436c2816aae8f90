public import SMTP

/// A JSON object of config.json, read key by key.
///
/// An accessor returns a usable value whatever is there: where the value is wrong, the problem is recorded with its place, and
/// the default is returned, so that one run finds all problems. Keys that nobody asks for are reported as unknown.
public final class ConfigurationSection {
    /// Where problems are collected: shared by all sections of a file.
    final class Report {
        let file: String
        var problems: [ConfigurationProblem] = []
        init(file: String) { self.file = file }
    }

    /// The section's JSON path, such as `$.plugins[0].configuration`.
    public let path: String
    /// The folder of the file: relative paths in it start there.
    public let folder: String
    private let report: Report
    private let members: [JSONNode.Member]
    private let position: SourcePosition
    private var asked: Set<String> = []
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
            let node = try JSONParser.parse(bytes)
            guard case .object(let members) = node.value else {
                throw JSONSyntaxError(position: node.position, message: "not a JSON object", fix: "begin with {")
            }
            return ConfigurationSection(
                members,
                at: node.position,
                path: "$",
                folder: folder,
                report: Report(file: file)
            )
        } catch {
            throw ConfigurationProblem(
                file: file,
                position: error.position,
                path: "$",
                message: error.message,
                fix: error.fix
            )
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

    // MARK: Problems

    /// Records a problem with the value of a key (or with the section, where the key is not there).
    public func report(_ message: String, at key: String, fix: String) {
        let member = self.members.first { $0.key == key }
        self.record(message, member?.value.position ?? self.position, "\(self.path).\(key)", fix)
    }

    private func record(_ message: String, _ position: SourcePosition, _ path: String, _ fix: String) {
        self.report.problems.append(
            ConfigurationProblem(file: self.report.file, position: position, path: path, message: message, fix: fix)
        )
    }

    private func reportUnknownKeys() {
        let known = self.asked
        for member in self.members where self.asked.insert(member.key).inserted {
            self.record(
                "unknown key",
                member.keyPosition,
                "\(self.path).\(member.key)",
                Spelling.suggestion(for: member.key, among: known) ?? "remove it"
            )
        }
        for child in self.children { child.reportUnknownKeys() }
        self.children = []
    }

    // MARK: Values

    /// The node of a key; `nil` where it is absent.
    private func node(_ key: String) -> JSONNode? {
        self.asked.insert(key)
        return self.members.first { $0.key == key }?.value
    }

    private func wrongType(_ key: String, _ node: JSONNode, expected: String, _ index: String = "") {
        self.record(
            "expected \(expected), found \(node.kind)",
            node.position,
            "\(self.path).\(key)\(index)",
            "write \(expected)"
        )
    }

    /// A string.
    public func optionalString(_ key: String) -> String? {
        guard let node = self.node(key) else { return nil }
        guard case .string(let text) = node.value else {
            self.wrongType(key, node, expected: "a string")
            return nil
        }
        return text
    }

    /// A string, or the default.
    public func string(_ key: String, default fallback: String) -> String { self.optionalString(key) ?? fallback }

    /// A string that must be there; the empty string where it is not.
    public func requiredString(_ key: String) -> String {
        guard self.has(key) else {
            self.asked.insert(key)
            self.record("missing", self.position, "\(self.path).\(key)", "add \"\(key)\"")
            return ""
        }
        return self.optionalString(key) ?? ""
    }

    /// A whole number within a range, or the default.
    public func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        self.optionalInteger(key, in: range) ?? fallback
    }

    /// A whole number within a range; `nil` where it is absent.
    public func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node = self.node(key) else { return nil }
        guard case .number(let text) = node.value, let number = Int(text) else {
            self.wrongType(key, node, expected: "a whole number")
            return nil
        }
        guard range.contains(number) else {
            self.record(
                "\(number) is out of range",
                node.position,
                "\(self.path).\(key)",
                "write a number from \(range.lowerBound) to \(range.upperBound)"
            )
            return nil
        }
        return number
    }

    /// `true` or `false`, or the default.
    public func boolean(_ key: String, default fallback: Bool) -> Bool {
        guard let node = self.node(key) else { return fallback }
        guard case .boolean(let value) = node.value else {
            self.wrongType(key, node, expected: "true or false")
            return fallback
        }
        return value
    }

    /// A value that a function makes of a string; what it throws away is a problem.
    public func value<Value>(
        _ key: String,
        expected: String,
        _ parse: (String) -> Value?
    ) -> Value? {
        guard let node = self.node(key) else { return nil }
        return self.value(of: node, key, "", expected: expected, parse)
    }

    private func value<Value>(
        of node: JSONNode,
        _ key: String,
        _ index: String,
        expected: String,
        _ parse: (String) -> Value?
    ) -> Value? {
        let text: String
        switch node.value {
        case .string(let string): text = string
        case .number(let number): text = number
        case .object, .array, .boolean, .null:
            self.wrongType(key, node, expected: expected, index)
            return nil
        }
        guard let value = parse(text) else {
            self.record(
                "\"\(text)\" is not \(expected)",
                node.position,
                "\(self.path).\(key)\(index)",
                "write \(expected)"
            )
            return nil
        }
        return value
    }

    /// An array of values that a function makes of strings; elements that are wrong are left out and reported.
    public func values<Value>(_ key: String, expected: String, _ parse: (String) -> Value?) -> [Value]? {
        guard let node = self.node(key) else { return nil }
        guard case .array(let elements) = node.value else {
            self.wrongType(key, node, expected: "an array")
            return nil
        }
        return elements.enumerated().compactMap { index, element in
            self.value(of: element, key, "[\(index)]", expected: expected, parse)
        }
    }

    /// Strings.
    public func strings(_ key: String) -> [String]? { self.values(key, expected: "a string") { $0 } }

    /// A duration such as `"5m"` or `"1h30m"`, or the default.
    public func duration(_ key: String, default fallback: Duration) -> Duration {
        self.optionalDuration(key) ?? fallback
    }

    /// A duration; `nil` where it is absent.
    public func optionalDuration(_ key: String) -> Duration? {
        self.value(key, expected: ConfigurationUnits.durationForm, ConfigurationUnits.duration)
    }

    /// Durations.
    public func durations(_ key: String) -> [Duration]? {
        self.values(key, expected: ConfigurationUnits.durationForm, ConfigurationUnits.duration)
    }

    /// Octets, such as `"25MiB"` or a plain number, or the default.
    public func size(_ key: String, default fallback: Int) -> Int { self.optionalSize(key) ?? fallback }

    /// Octets; `nil` where it is absent.
    public func optionalSize(_ key: String) -> Int? {
        self.value(key, expected: ConfigurationUnits.sizeForm, ConfigurationUnits.size)
    }

    /// One of the cases of an enumeration, or the default.
    public func enumeration<Value: CaseIterable & RawRepresentable<String>>(_ key: String, default fallback: Value)
        -> Value
    {
        let names = Value.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        return self.value(key, expected: "one of \(names)") { Value(rawValue: $0) } ?? fallback
    }

    /// A domain name; `nil` where it is absent.
    public func domain(_ key: String) -> Domain? { self.value(key, expected: "a domain name") { Domain($0) } }

    /// A mailbox; `nil` where it is absent.
    public func mailbox(_ key: String) -> Mailbox? { self.value(key, expected: "a mail address") { Mailbox($0) } }

    /// Networks in CIDR notation.
    public func networks(_ key: String) -> [IPNetwork]? {
        self.values(key, expected: "a network such as \"192.0.2.0/24\"") { IPNetwork($0) }
    }

    /// A path of a file or folder; a relative one starts at the folder of the configuration file.
    public func filePath(_ key: String) -> String? {
        self.optionalString(key).map { $0.hasPrefix("/") ? $0 : "\(self.folder)/\($0)" }
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
        let path = "\(self.path).\(key)\(index)"
        let child = ConfigurationSection(
            members,
            at: node.position,
            path: path,
            folder: self.folder,
            report: self.report
        )
        self.children.append(child)
        return child
    }
}
