/// The replies that the hub gives by itself (RFC 5321 section 4.2.2, with the codes of RFC 3463 and 5248).
extension Reply {
    package static func greeting(hostname: String) -> Reply { Reply(220, "\(hostname) ESMTP MailHub") }
    package static func closing(hostname: String) -> Reply { Reply(221, .init(0, 0), "\(hostname) closing connection") }
    package static func shuttingDown(hostname: String) -> Reply {
        Reply(421, .init(3, 2), "\(hostname) service closing, try again later")
    }
    package static func timedOut(hostname: String) -> Reply {
        Reply(421, .init(4, 2), "\(hostname) time limit exceeded, closing connection")
    }
    package static func tooManyErrors(hostname: String) -> Reply {
        Reply(421, .init(7, 0), "\(hostname) too many errors, closing connection")
    }
    package static func tooManyMessages(hostname: String) -> Reply {
        Reply(421, .init(3, 2), "\(hostname) message limit of this connection reached, open a new one")
    }
    package static func tooManyMessagesOfClient(hostname: String) -> Reply {
        Reply(421, .init(7, 0), "\(hostname) too many messages from your address, try again later")
    }
    package static func tooManyConnections(hostname: String) -> Reply {
        Reply(421, .init(3, 2), "\(hostname) too many connections, try again later")
    }
    package static func foreignProtocol(hostname: String) -> Reply {
        Reply(421, .init(7, 0), "\(hostname) this is no HTTP server, closing connection")
    }
    package static func internalFault(hostname: String) -> Reply {
        Reply(421, .init(3, 0), "\(hostname) internal fault, try again later")
    }

    package static let ok = Reply(250, .init(0, 0), "OK")
    package static let senderOK = Reply(250, .init(1, 0), "Sender OK")
    package static let recipientOK = Reply(250, .init(1, 5), "Recipient OK")
    package static let startData = Reply(354, "Start mail input; end with <CRLF>.<CRLF>")
    package static let helpText = Reply(
        214,
        .init(0, 0),
        lines: [
            "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP",
            "See RFC 5321; for people: postmaster",
        ]
    )
    /// Neither confirms nor denies (RFC 5321 section 7.3).
    package static let cannotVerify = Reply(
        252,
        .init(5, 0),
        "Cannot verify the user, but will take mail and try to deliver"
    )

    package static let unrecognized = Reply(500, .init(5, 1), "Command not recognized")
    package static let lineTooLong = Reply(500, .init(5, 2), "Line too long")
    package static let bareLineEnd = Reply(500, .init(5, 2), "Bare CR or LF in a command line: only CRLF ends a line")
    package static let notImplemented = Reply(502, .init(5, 1), "Command not implemented")
    package static let useLHLO = Reply(500, .init(5, 1), "This is LMTP: use LHLO")
    package static let helloFirst = Reply(503, .init(5, 1), "Send EHLO or HELO first")
    package static let nestedMail = Reply(503, .init(5, 1), "A transaction is open already")
    package static let mailFirst = Reply(503, .init(5, 1), "Send MAIL first")
    package static let recipientFirst = Reply(503, .init(5, 1), "Send RCPT first: no valid recipients")
    package static let chunkingInProgress = Reply(503, .init(5, 1), "The message is being sent with BDAT")
    package static let tlsInTransaction = Reply(503, .init(5, 1), "End the transaction before STARTTLS")
    package static let ehloForAuthentication = Reply(503, .init(5, 1), "Send EHLO before AUTH")
    package static let authenticationInTransaction = Reply(503, .init(5, 1), "End the transaction before AUTH")
    package static let refusedSession = Reply(503, .init(5, 1), "No service for you: send QUIT")
    package static let badSequence = Reply(503, .init(5, 1), "Bad sequence of commands")
    package static let tooManyRecipients = Reply(
        452,
        .init(5, 3),
        "Too many recipients: send the rest in another transaction"
    )

    package static let tooManyRecipientsOfClient = Reply(
        452,
        .init(5, 3),
        "Too many recipients from your address, try again later"
    )

    package static let messageTooLarge = Reply(552, .init(3, 4), "Message too large")
    package static let temporaryFailure = Reply(451, .init(3, 0), "Temporary failure, try again later")
    package static let directoryUnavailable = Reply(451, .init(4, 3), "Cannot check the recipient now, try again later")
    package static let noSuchMailbox = Reply(550, .init(1, 1), "No such mailbox here")
    package static let relayingDenied = Reply(550, .init(7, 1), "Relaying denied")
    package static let domainTakesNoMail = Reply(556, .init(1, 10), "The recipient's domain takes no mail")
    package static let bareLineEndInContent = Reply(
        554,
        .init(6, 0),
        "Bare CR or LF in the message: lines must end with CRLF"
    )
    package static let mailLoop = Reply(554, .init(4, 6), "Mail loop: too many Received fields")
    package static func queued(_ identifier: String) -> Reply { Reply(250, .init(0, 0), "Queued as \(identifier)") }

    /// The reply to a line that could not be parsed.
    package init(_ error: CommandError) {
        switch error {
        case .unrecognized: self = .unrecognized
        case .badArgument(let text): self = Reply(501, .init(5, 4), "Syntax: \(text)")
        case .tooLong(let text): self = Reply(501, .init(5, 2), "Syntax: \(text)")
        case .unknownParameter(let keyword):
            self = Reply(555, .init(5, 4), "Parameter \(keyword.prefix(40)) not supported")
        case .senderNeedsSMTPUTF8:
            self = Reply(550, .init(6, 7), "Non-ASCII address: say SMTPUTF8 with MAIL")
        case .recipientNeedsSMTPUTF8:
            self = Reply(553, .init(6, 7), "Non-ASCII address: say SMTPUTF8 with MAIL")
        }
    }
}
