/// The argument of MAIL (RFC 5321 section 4.1.1.2).
enum SenderArgument {
    static func parse(_ argument: ArgumentScanner) throws(CommandError) -> Command {
        let (path, rest) = try argument.path(behind: "FROM:")
        let parameters = try self.parameters(rest)
        guard !path.isEmpty else { return .mail(.null, parameters) }
        let address = try ArgumentScanner.withoutSourceRoute(path)
        do {
            let mailbox = try MailboxSyntax.mailbox(address, allowingUTF8: parameters.isInternationalized)
            return .mail(.mailbox(mailbox), parameters)
        } catch {
            throw CommandError(error, needsSMTPUTF8: .senderNeedsSMTPUTF8)
        }
    }

    private static func parameters(_ bytes: ArraySlice<UInt8>) throws(CommandError) -> SenderParameters {
        var result = SenderParameters()
        guard !bytes.isEmpty else { return result }
        for (keyword, value) in try ArgumentScanner.parameters(bytes) {
            switch keyword {
            case "SIZE":
                guard let value, (1...20).contains(value.utf8.count),
                    value.utf8.allSatisfy({ (0x30...0x39).contains($0) })
                else { throw .badArgument("malformed SIZE") }
                result.size = Int(value) ?? .max
            case "BODY":
                guard let value, let body = BodyType(rawValue: value.uppercased()) else {
                    throw .badArgument("BODY is 7BIT or 8BITMIME")
                }
                result.body = body
            case "SMTPUTF8":
                guard value == nil else { throw .badArgument("SMTPUTF8 takes no value") }
                result.isInternationalized = true
            case "RET":
                guard let value, let content = ReturnContent(rawValue: value.uppercased()) else {
                    throw .badArgument("RET is FULL or HDRS")
                }
                result.returnContent = content
            case "ENVID":
                guard let value, value.utf8.count <= 256, XtextSyntax.isXtext(value) else {
                    throw .badArgument("malformed ENVID")
                }
                result.envelopeIdentifier = value
            case "REQUIRETLS":
                guard value == nil else { throw .badArgument("REQUIRETLS takes no value") }
                result.requiresTLS = true
            case "AUTH":
                // Who wrote it in the first place (RFC 4954 section 5): nobody here believes it more than the session itself.
                guard let value, value == "<>" || (1...500).contains(value.utf8.count) && XtextSyntax.isXtext(value)
                else {
                    throw .badArgument("malformed AUTH")
                }
                result.namesAuthor = true
            default:
                throw .unknownParameter(keyword)
            }
        }
        return result
    }
}

/// The argument of RCPT (RFC 5321 section 4.1.1.3).
enum RecipientArgument {
    static func parse(_ argument: ArgumentScanner, isInternationalized: Bool) throws(CommandError) -> Command {
        let (path, rest) = try argument.path(behind: "TO:")
        let parameters = try self.parameters(rest, isInternationalized: isInternationalized)
        guard !path.isEmpty else { throw .badArgument("the recipient is empty") }
        if path.count == 10, String(decoding: path, as: UTF8.self).lowercased() == "postmaster" {
            return .rcpt(.postmaster, parameters)
        }
        let address = try ArgumentScanner.withoutSourceRoute(path)
        do {
            return .rcpt(.mailbox(try MailboxSyntax.mailbox(address, allowingUTF8: isInternationalized)), parameters)
        } catch {
            throw CommandError(error, needsSMTPUTF8: .recipientNeedsSMTPUTF8)
        }
    }

    private static func parameters(
        _ bytes: ArraySlice<UInt8>,
        isInternationalized: Bool
    ) throws(CommandError) -> RecipientParameters {
        var result = RecipientParameters()
        guard !bytes.isEmpty else { return result }
        for (keyword, value) in try ArgumentScanner.parameters(bytes) {
            switch keyword {
            case "NOTIFY":
                guard let value, let conditions = NotifyConditions(parameterValue: value) else {
                    throw .badArgument("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
                }
                result.notify = conditions
            case "ORCPT":
                guard let value, value.utf8.count <= 512, XtextSyntax.isOriginalRecipient(value, isInternationalized)
                else {
                    throw .badArgument("malformed ORCPT")
                }
                result.originalRecipient = value
            default:
                throw .unknownParameter(keyword)
            }
        }
        return result
    }
}

extension NotifyConditions {
    /// Parses the value of NOTIFY (RFC 3461 section 4.1): NEVER alone, or a list without repetition.
    init?(parameterValue value: String) {
        if value.uppercased() == "NEVER" {
            self = []
            return
        }
        var result: NotifyConditions = []
        for word in value.uppercased().split(separator: ",", omittingEmptySubsequences: false) {
            let condition: NotifyConditions
            switch word {
            case "SUCCESS": condition = .success
            case "FAILURE": condition = .failure
            case "DELAY": condition = .delay
            default: return nil
            }
            guard result.insert(condition).inserted else { return nil }
        }
        self = result
    }
}

extension CommandError {
    init(_ error: SyntaxError, needsSMTPUTF8: CommandError) {
        switch error {
        case .malformed(let text): self = .badArgument(text)
        case .tooLong(let what): self = .tooLong("\(what) too long")
        case .needsSMTPUTF8: self = needsSMTPUTF8
        case .unknownParameter(let keyword): self = .unknownParameter(keyword)
        }
    }
}
