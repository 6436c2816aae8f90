import Aliases
import CallAhead
import DNSBlocklists
import Greylisting
import HeaderRewrite
import LDAPRecipients
import MailHubPlugin
import RateLimits
import SenderDomain
import SizeLimits
import StaticRecipients

/// The plugins of this executable: what `"plugin"` in config.json may name.
let registeredPlugins: [any HubPlugin.Type] = [
    StaticRecipients.self, LDAPRecipients.self, SizeLimits.self, Greylisting.self, RateLimits.self, DNSBlocklists.self,
    Aliases.self, HeaderRewrite.self, CallAhead.self, SenderDomain.self,
]
