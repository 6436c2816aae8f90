import SMTP

/// What the sender can do about a recipient that was not reached, in words for people who do not know mail servers.
enum DeliveryAdvice {
    /// Advice for an enhanced status code (RFC 3463 section 3) of a recipient that is lost.
    static func text(for code: EnhancedStatusCode) -> String {
        switch (code.subject, code.detail) {
        case (1, 2), (1, 10), (4, 4):
            "The part of the address behind the @ does not take mail. Please check its spelling."
        case (1, 7), (1, 8):
            "The receiving system does not accept your own address as sender. Please ask whoever runs your mail."
        case (1, _), (5, 7):
            "This address does not exist there. Please check its spelling, and ask the recipient for the right one."
        case (2, 1):
            "This mailbox is not in use at the moment. Please reach the recipient in another way."
        case (2, 2):
            "The recipient's mailbox is full. Please try again later, or reach the recipient in another way."
        case (2, 3), (3, 4):
            "The message is too large for the recipient. Please send less at once, for example without attachments."
        case (4, 6):
            "The message went round in circles, which is a mistake in the set-up of a mail system. Please tell the "
                + "postmaster."
        case (4, _):
            "The recipient's mail system could not be reached for too long. Please try again later, or reach the "
                + "recipient in another way."
        case (6, 7):
            "The recipient's mail system cannot take addresses with characters outside the English alphabet. Please use "
                + "another address, if there is one."
        case (6, _):
            "The recipient's mail system cannot take the message in the form that it has. Please send it as plain text."
        case (7, _):
            "The recipient's mail system refuses the message because of its rules, for example against unwanted mail. "
                + "Please show this report to whoever runs your mail, or reach the recipient in another way."
        default:
            "Please check the address. If it is right, show this report to whoever runs your mail."
        }
    }
}
