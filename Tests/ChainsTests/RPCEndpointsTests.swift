import Chains
import Testing

/// Which URLs are one endpoint, and that none is shown with its key.
@Suite struct RPCEndpointsTests {
    @Test(arguments: [
        ("http://a.example", "http://a.example"), ("http://a.example", "HTTP://A.Example/"),
        ("http://a.example:80/x", "http://a.example/x/"),
        ("https://a.example:443", "https://a.example"), ("http://a:8545//", "http://a:8545#x"),
        ("https://a/v2/KEY?b=1", "https://A/v2/KEY?b=1"), ("http://a/?k=1", "http://a?k=1"),
        ("http://[::1]:8545", "http://[::1]:8545/"), ("http://u:p@a", "http://u:p@A:80"),
    ])
    func theseAreOne(first: String, second: String) throws {
        let found = #expect(throws: RepeatedEndpoint.self) {
            try RPCEndpoints.requireDistinct(["http://other", first, "http://b", second])
        }
        #expect(found?.first == 2 && found?.second == 4)
    }

    @Test func theseAreNot() throws {
        try RPCEndpoints.requireDistinct([
            "http://a", "https://a", "http://a:8080", "https://a:80", "http://b", "http://a/x",
            "http://a/X", "http://a/?k=1", "http://a/?k=2", "http://u@a", "http://v@a",
            "http://[::1]", "http://[::1]:8545", "http://a/x?k=1",
        ])
        try RPCEndpoints.requireDistinct([])
    }

    @Test func noKeyIsShown() throws {
        for url in [
            "https://user:SECRET@a.example/v2/SECRET?key=SECRET#SECRET", "https://SECRET@a.example",
        ] {
            #expect(RPCEndpoints.shown(url) == "https://a.example")
            let found = #expect(throws: RepeatedEndpoint.self) {
                try RPCEndpoints.requireDistinct([url, url])
            }
            #expect(found?.description.contains("SECRET") == false)
        }
        #expect(RPCEndpoints.shown(["http://a:1/k", "http://b"]) == "http://a:1, http://b")
        #expect(RPCEndpoints.shown("/SECRET") == "an endpoint without a host")
    }
}
