/* test_peer.c - whose connections are counted together.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/base.h"
#include "serve/peer.h"

static struct tj_peer peer(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return tj_peer_of((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return tj_peer_of((struct sockaddr *)&v6);
}

static void counted_together(void **state)
{
    (void)state;
    static const struct {
        const char *one;
        const char *other;
        bool same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"2001:db8::1", "2001:db8::ffff:1", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"2001:db8::1", "::ffff:192.0.2.1", false},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++) {
        struct tj_peer one = peer(cases[i].one);
        struct tj_peer other = peer(cases[i].other);
        if (tj_peer_eq(&one, &other) != cases[i].same)
            fail_msg("%s and %s", cases[i].one, cases[i].other);
    }
}

static void loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_loopback;
    } cases[] = {
        {"127.0.0.1", true},  {"127.9.9.9", true},
        {"::1", true},        {"::ffff:127.0.0.1", true},
        {"192.0.2.1", false}, {"::ffff:192.0.2.1", false},
        {"::", false},        {"0.0.0.0", false},
        {"7f00:1::1", false}, {"2001:db8::7f00:1", false},
    };
    for (size_t i = 0; i < TJ_COUNT(cases); i++)
        if (peer(cases[i].text).is_loopback != cases[i].is_loopback)
            fail_msg("%s", cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_together),
        cmocka_unit_test(loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
