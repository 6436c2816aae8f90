import SMTP

/// How values are spelled in the store's text columns; shared by all engines that have columns.
enum StoredText {
    /// `route/domain`, and behind a space what the sender wants.
    ///
    /// Always with a slash: a route may have slashes in its name, a domain has none.
    static func text(_ destination: Destination) -> String {
        let place = "\(destination.route)/\(destination.domain)"
        return destination.tls.map { "\(place) \($0.rawValue)" } ?? place
    }

    /// The destination; `nil` for text that `text(_:)` did not make.
    static func destination(_ text: String) -> Destination? {
        guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
        let words = text[text.index(after: slash)...].split(separator: " ", omittingEmptySubsequences: false)
        guard let domain = words.first, words.count <= 2 else { return nil }
        let tls = words.count == 2 ? TLSRequirement(rawValue: String(words[1])) : nil
        guard words.count == 1 || tls != nil else { return nil }
        return Destination(route: String(text[..<slash]), domain: String(domain), tls: tls)
    }

    /// `550 1.1` or `550`, then one line for each line of the reply.
    static func text(_ reply: Reply) -> String {
        let enhanced = reply.enhanced.map { " \($0.subject).\($0.detail)" } ?? ""
        return "\(reply.code)\(enhanced)\n\(reply.lines.joined(separator: "\n"))"
    }

    /// The reply; `nil` for text that `text(_:)` did not make.
    static func reply(_ text: String) -> Reply? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard let head = lines.first, lines.count > 1 else { return nil }
        let words = head.split(separator: " ")
        guard let code = words.first.flatMap({ Int($0) }), (0...999).contains(code), words.count <= 2 else {
            return nil
        }
        var enhanced: EnhancedStatusCode?
        if words.count == 2 {
            let numbers = words[1].split(separator: ".").compactMap { Int($0) }
            guard numbers.count == 2 else { return nil }
            enhanced = EnhancedStatusCode(numbers[0], numbers[1])
        }
        return Reply(received: ReplyCode(received: code), enhanced, lines: lines.dropFirst().map(String.init))
    }
}

/// The parameters of MAIL and the nature of the message in one number.
struct MessageFlags: OptionSet {
    let rawValue: Int64

    static let internationalized = MessageFlags(rawValue: 1)
    static let sevenBit = MessageFlags(rawValue: 2)
    static let eightBitMIME = MessageFlags(rawValue: 4)
    static let returnFull = MessageFlags(rawValue: 8)
    static let returnHeaders = MessageFlags(rawValue: 16)
    static let notification = MessageFlags(rawValue: 32)
    static let tlsRequired = MessageFlags(rawValue: 64)
    static let tlsOptional = MessageFlags(rawValue: 128)

    init(rawValue: Int64) { self.rawValue = rawValue }

    init(_ message: NewMessage) {
        var flags: MessageFlags = message.envelope.isInternationalized ? .internationalized : []
        switch message.envelope.body {
        case .sevenBit: flags.insert(.sevenBit)
        case .eightBitMIME: flags.insert(.eightBitMIME)
        case nil: break
        }
        switch message.envelope.returnContent {
        case .full: flags.insert(.returnFull)
        case .headers: flags.insert(.returnHeaders)
        case nil: break
        }
        switch message.envelope.tlsRequirement {
        case .required: flags.insert(.tlsRequired)
        case .optional: flags.insert(.tlsOptional)
        case nil: break
        }
        if message.isNotification { flags.insert(.notification) }
        self = flags
    }

    var body: BodyType? {
        self.contains(.eightBitMIME) ? .eightBitMIME : (self.contains(.sevenBit) ? .sevenBit : nil)
    }

    var tlsRequirement: TLSRequirement? {
        self.contains(.tlsRequired) ? .required : (self.contains(.tlsOptional) ? .optional : nil)
    }

    var returnContent: ReturnContent? {
        self.contains(.returnFull) ? .full : (self.contains(.returnHeaders) ? .headers : nil)
    }
}
