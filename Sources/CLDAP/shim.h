// The C API of libldap, for the module LDAPClient alone.
#include <sys/time.h>
#include <ldap.h>
#include <openldap.h>

// Macros with casts, which Swift does not import.
static const int mailhub_ldap_any_message = LDAP_RES_ANY;
static const int mailhub_ldap_search_entry = (int)LDAP_RES_SEARCH_ENTRY;
static const int mailhub_ldap_search_reference = (int)LDAP_RES_SEARCH_REFERENCE;
static const int mailhub_ldap_search_result = (int)LDAP_RES_SEARCH_RESULT;
static const int mailhub_ldap_scope_base = (int)LDAP_SCOPE_BASE;
static const int mailhub_ldap_scope_one = (int)LDAP_SCOPE_ONELEVEL;
static const int mailhub_ldap_scope_subtree = (int)LDAP_SCOPE_SUBTREE;
static const int mailhub_ldap_tls_1_2 = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
static const int mailhub_ldap_connection_lost = LDAP_SERVER_DOWN;
