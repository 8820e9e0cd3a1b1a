import Testing

@testable import MySQLStore

@Suite struct PlaceTests {
    @Test func `a place is an url without a password`() throws {
        let place = try #require(MySQLStorePlace(url: "mysql://evenkeel@db.example.org:3307/evenkeel"))
        #expect(place.user == "evenkeel" && place.host == "db.example.org" && place.port == 3307 && place.database == "evenkeel")
        #expect(place.description == "mysql://evenkeel@db.example.org:3307/evenkeel")
        #expect(try #require(MySQLStorePlace(url: "mysql://a@[fd00::1]:3307/b")).host == "fd00::1")
        #expect(try #require(MySQLStorePlace(url: "mysql://a@[fd00::1]/b")).port == 3306)
        #expect(try #require(MySQLStorePlace(url: "mysql://a@h/b", socket: "/run/s")).description == "mysql://a@h:3306/b (/run/s)")
    }

    @Test(arguments: ["mysql://u:secret@h/d", "mysql://h/d", "mysql://u@h", "mysql://u@h/", "mysql://u@h:0/d", "postgres://u@h/d", "u@h/d", "mysql://@h/d", "mysql://u@:1/d", "mysql://u@h/d?x=y"])
    func `what is none is refused`(text: String) {
        #expect(MySQLStorePlace(url: text) == nil)
    }
}
