import MailHubPlugin

/// Reads the keys that the README lists; each problem is told with its place.
extension RewriteRule {
    private static let patternForm = "a pattern of 1 to 200 characters, with * and ?"

    /// Makes the rule of one element of `"rules"`; what is wrong in it is told.
    init(reading section: ConfigurationSection) {
        self.action = section.enumeration("action", default: .add)
        if !section.has("action") {
            section.report("missing", at: "action", fix: "say what to do: \"add\", \"remove\", ...")
        }
        self.direction = section.enumeration("direction", default: .any)
        self.listeners = Set(section.listeners("listeners") ?? [])
        self.senderDomains = Self.domains("senderDomains", section)
        self.recipientDomains = Self.domains("recipientDomains", section)
        self.touchesTrace = section.boolean("trace", default: false)
        self.conditions = section.sections("if").compactMap { Self.condition(reading: $0) }
        self.choice = section.value("where", expected: Self.patternForm) { ValuePattern($0) }
        self.readField(section)
        self.readValue(section)
        if section.has("where"), !self.action.hasChoice {
            section.report("nothing to choose", at: "where", fix: "use it with \"replace\" and \"remove\" only")
        }
    }

    private static func domains(_ key: String, _ section: ConfigurationSection) -> Set<Domain> {
        Set(section.values(key, expected: "a domain name") { Domain($0) } ?? [])
    }

    private mutating func readField(_ section: ConfigurationSection) {
        let name = section.requiredString("field")
        guard !name.isEmpty else { return }  // told already
        self.field = name
        let isPattern = name.contains { "*?".contains($0) }
        if !Self.isName(name) {
            section.report(
                "\"\(name)\" cannot name a field",
                at: "field",
                fix: "write a field's name, such as \"Subject\""
            )
        } else if isPattern {
            self.fieldPattern = ValuePattern(name)
            if self.action != .remove {
                section.report(
                    "a pattern names no field to write",
                    at: "field",
                    fix: "use patterns with \"remove\" only"
                )
            }
        } else if name.lowercased() == "received" {
            section.report("Received fields are kept as they are", at: "field", fix: "name another field")
        } else if self.action.isDestructive, Self.isTrace(name), !self.touchesTrace {
            section.report(
                "\(name) tells a message's way",
                at: "field",
                fix: "add \"trace\": true if it shall be changed all the same"
            )
        }
    }

    private mutating func readValue(_ section: ConfigurationSection) {
        let text = section.optionalString("value")
        guard self.action.hasValue else {
            if text != nil { section.report("nothing to write", at: "value", fix: "leave it out with \"remove\"") }
            return
        }
        guard let text else {
            if !section.has("value") { section.report("missing", at: "value", fix: "add the field's new value") }
            return
        }
        do throws(ValueTemplate.Fault) {
            let template = try ValueTemplate(text)
            self.value = template
            let stars = self.action.hasChoice ? self.choice?.starCount ?? 0 : 0
            if template.mostStars > stars {
                let fix = "write as many * in \"where\""
                section.report("${\(template.mostStars)} stands for no * of \"where\"", at: "value", fix: fix)
            }
            if template.needsValue, self.action == .add || self.action == .insert {
                section.report("a new field has no ${value} yet", at: "value", fix: "use \"replace\" or \"set\"")
            }
        } catch {
            let names = ValueTemplate.Variable.allCases.map { "${\($0.rawValue)}" }.joined(separator: ", ")
            let message =
                switch error {
                case .unknown(let name): "there is no ${\(name)}"
                case .unfinished: "a $ without {name}"
                }
            section.report(message, at: "value", fix: "write \(names), ${1}, or $$ for a dollar sign")
        }
    }

    private static func condition(reading section: ConfigurationSection) -> Condition? {
        let field = section.requiredString("field")
        let pattern = section.value("value", expected: Self.patternForm) { ValuePattern($0) }
        let isAbsent = section.boolean("absent", default: false)
        if !field.isEmpty, !Self.isName(field) {
            section.report(
                "\"\(field)\" cannot name a field",
                at: "field",
                fix: "write a field's name, such as \"Subject\""
            )
        }
        if isAbsent, section.has("value") {
            section.report("what is absent has no value", at: "value", fix: "leave out one of \"absent\" and \"value\"")
        }
        if isAbsent { return .absent(field: field) }
        return pattern.map { .matches(field: field, $0) } ?? .present(field: field)
    }

    /// RFC 5322 section 2.2.
    private static func isName(_ name: String) -> Bool {
        (1...76).contains(name.utf8.count) && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x3A }
    }
}
