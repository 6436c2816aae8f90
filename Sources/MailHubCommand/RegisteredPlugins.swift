import LDAPRecipients
import MailHubPlugin
import SizeLimits
import StaticRecipients

/// The plugins of this executable: what `"plugin"` in config.json may name.
let registeredPlugins: [any HubPlugin.Type] = [StaticRecipients.self, LDAPRecipients.self, SizeLimits.self]
