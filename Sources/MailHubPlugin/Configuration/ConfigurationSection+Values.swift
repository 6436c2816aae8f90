public import SMTP

/// What the values of keys may be.
extension ConfigurationSection {
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

    /// A string that must be there, and not be empty; the empty string where it is not.
    public func requiredString(_ key: String) -> String {
        guard self.has(key) else {
            self.ignore(key)
            self.record("missing", self.position, self.path(of: key), "add \"\(key)\"")
            return ""
        }
        if case .null = self.node(key)?.value {
            self.report("expected a string, found null", at: key, fix: "write a string")
            return ""
        }
        guard let text = self.optionalString(key) else { return "" }
        if text.isEmpty { self.report("is empty", at: key, fix: "write a value between the quotes") }
        return text
    }

    /// A whole number within a range, or the default.
    public func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        self.optionalInteger(key, in: range) ?? fallback
    }

    /// A whole number within a range; `nil` where it is absent.
    public func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node = self.node(key) else { return nil }
        guard case .number(let text) = node.value, text.utf8.allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) })
        else {
            self.wrongType(key, node, expected: "a whole number")
            return nil
        }
        guard let number = Int(text), range.contains(number) else {
            self.record(
                "\(text) is out of range",
                node.position,
                self.path(of: key),
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
        return self.value(of: node, key, "", expected: expected, fix: { _ in "write \(expected)" }, parse)
    }

    private func value<Value>(
        of node: JSONNode,
        _ key: String,
        _ index: String,
        expected: String,
        fix: (String) -> String,
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
                "\(Quotation.of(text)) is not \(expected)",
                node.position,
                "\(self.path(of: key))\(index)",
                fix(text)
            )
            return nil
        }
        return value
    }

    /// An array of values that a function makes of strings; elements that are wrong are left out and reported.
    public func values<Value>(_ key: String, expected: String, _ parse: (String) -> Value?) -> [Value]? {
        self.indexedValues(key, expected: expected, parse)?.map(\.value)
    }

    /// The same, with their places in the array: for what is judged later.
    package func indexedValues<Value>(
        _ key: String,
        expected: String,
        _ parse: (String) -> Value?
    ) -> [(index: Int, value: Value)]? {
        guard let node = self.node(key) else { return nil }
        guard case .array(let elements) = node.value else {
            self.wrongType(key, node, expected: "an array")
            return nil
        }
        return elements.enumerated().compactMap { index, element in
            self.value(of: element, key, "[\(index)]", expected: expected, fix: { _ in "write \(expected)" }, parse)
                .map { (index, $0) }
        }
    }

    /// Strings.
    public func strings(_ key: String) -> [String]? {
        guard let node = self.node(key) else { return nil }
        guard case .array(let elements) = node.value else {
            self.wrongType(key, node, expected: "an array")
            return nil
        }
        return elements.enumerated().compactMap { index, element in
            if case .string(let text) = element.value { return text }
            self.wrongType(key, element, expected: "a string", "[\(index)]")
            return nil
        }
    }

    /// A duration such as `"5m"` or `"1h30m"`, or the default.
    public func duration(_ key: String, default fallback: Duration) -> Duration {
        self.optionalDuration(key) ?? fallback
    }

    /// A duration; `nil` where it is absent.
    public func optionalDuration(_ key: String) -> Duration? {
        self.duration(key, in: .zero...ConfigurationUnits.longestDuration)
    }

    /// A duration of a millisecond or more, or the default.
    public func positiveDuration(_ key: String, default fallback: Duration) -> Duration {
        self.duration(key, in: .milliseconds(1)...ConfigurationUnits.longestDuration) ?? fallback
    }

    private func duration(_ key: String, in range: ClosedRange<Duration>) -> Duration? {
        guard let node = self.node(key), let duration = self.duration(of: node, key, "") else { return nil }
        return self.isWithin(range, duration, node, key, "") ? duration : nil
    }

    /// Durations of a millisecond or more.
    public func positiveDurations(_ key: String) -> [Duration]? {
        guard let node = self.node(key) else { return nil }
        guard case .array(let elements) = node.value else {
            self.wrongType(key, node, expected: "an array")
            return nil
        }
        let range = Duration.milliseconds(1)...ConfigurationUnits.longestDuration
        return elements.enumerated().compactMap { index, element in
            guard let duration = self.duration(of: element, key, "[\(index)]") else { return nil }
            return self.isWithin(range, duration, element, key, "[\(index)]") ? duration : nil
        }
    }

    private func duration(of node: JSONNode, _ key: String, _ index: String) -> Duration? {
        let form = ConfigurationUnits.durationForm
        let fix = { text in Int(text) == nil ? "write \(form)" : "add a unit, such as \"\(text)s\" or \"\(text)m\"" }
        return self.value(of: node, key, index, expected: form, fix: fix, ConfigurationUnits.duration)
    }

    private func isWithin(
        _ range: ClosedRange<Duration>,
        _ duration: Duration,
        _ node: JSONNode,
        _ key: String,
        _ index: String
    ) -> Bool {
        if range.contains(duration) { return true }
        let (least, most) = (ConfigurationUnits.text(range.lowerBound), ConfigurationUnits.text(range.upperBound))
        self.record(
            "\(ConfigurationUnits.text(duration)) is out of range",
            node.position,
            "\(self.path(of: key))\(index)",
            "write a duration from \"\(least)\" to \"\(most)\""
        )
        return false
    }

    /// Octets, such as `"25MiB"` or a plain number, or the default.
    public func size(_ key: String, default fallback: Int) -> Int { self.optionalSize(key) ?? fallback }

    /// Octets within a range, or the default.
    public func size(_ key: String, in range: ClosedRange<Int>, default fallback: Int) -> Int {
        self.optionalSize(key, in: range) ?? fallback
    }

    /// Octets; `nil` where it is absent.
    public func optionalSize(_ key: String) -> Int? { self.optionalSize(key, in: 0...ConfigurationUnits.largestSize) }

    private func optionalSize(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let size = self.value(key, expected: ConfigurationUnits.sizeForm, ConfigurationUnits.size) else {
            return nil
        }
        guard range.contains(size) else {
            let (least, most) = (
                ConfigurationUnits.text(octets: range.lowerBound), ConfigurationUnits.text(octets: range.upperBound)
            )
            self.report(
                "\(ConfigurationUnits.text(octets: size)) is out of range",
                at: key,
                fix: "write a size from \"\(least)\" to \"\(most)\""
            )
            return nil
        }
        return size
    }

    /// One of the cases of an enumeration, or the default.
    public func enumeration<Value: CaseIterable & RawRepresentable<String>>(_ key: String, default fallback: Value)
        -> Value
    {
        self.optionalEnumeration(key) ?? fallback
    }

    /// One of the cases of an enumeration; `nil` where it is absent or wrong.
    public func optionalEnumeration<Value: CaseIterable & RawRepresentable<String>>(_ key: String) -> Value? {
        guard let node = self.node(key) else { return nil }
        let names = Value.allCases.map(\.rawValue)
        let expected = "one of \(names.map { "\"\($0)\"" }.joined(separator: ", "))"
        return self.value(
            of: node,
            key,
            "",
            expected: names.count == 1 ? "\"\(names[0])\"" : expected,
            fix: { Spelling.suggestion(for: $0, among: names) ?? "write \(expected)" },
            { Value(rawValue: $0) }
        )
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
        guard let text = self.optionalString(key) else { return nil }
        if text.isEmpty { self.report("is empty", at: key, fix: "write a path between the quotes") }
        if text.utf8.contains(0) { self.report("a path with NUL", at: key, fix: "remove \\u0000") }
        return text.hasPrefix("/") ? text : "\(self.folder)/\(text)"
    }
}
