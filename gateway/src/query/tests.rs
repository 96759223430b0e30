use super::*;

fn parsed(all: bool, user: Option<&str>) -> Result<ServerQuery, InvalidQuery> {
    Ok(ServerQuery {
        all,
        user: user.map(str::to_owned),
    })
}

#[test]
fn a_query_says_one_thing_or_is_refused() {
    let cases = [
        ("", parsed(false, None)),
        ("all=true", parsed(true, None)),
        ("all=false", parsed(false, None)),
        ("%61ll=true", parsed(true, None)),
        ("x=1&all=true&y", parsed(true, None)),
        ("all%zz=1&=&&&%ff=2", parsed(false, None)),
        ("ALL=true", parsed(false, None)),
        ("user=ann", parsed(false, Some("ann"))),
        ("user=Ann", parsed(false, Some("ann"))),
        (
            "user=%E4%BD%A0%E5%A5%BD&all=false",
            parsed(false, Some("你好")),
        ),
        ("user=not+a%20name", parsed(false, Some("not a name"))),
        ("all", Err(InvalidQuery("all"))),
        ("all=", Err(InvalidQuery("all"))),
        ("all=1", Err(InvalidQuery("all"))),
        ("all=True", Err(InvalidQuery("all"))),
        ("all=true&all=true", Err(InvalidQuery("all"))),
        ("all=true&all=false", Err(InvalidQuery("all"))),
        ("user", Err(InvalidQuery("user"))),
        ("user=", Err(InvalidQuery("user"))),
        ("user=%", Err(InvalidQuery("user"))),
        ("user=%4", Err(InvalidQuery("user"))),
        ("user=%gg", Err(InvalidQuery("user"))),
        ("user=%ff", Err(InvalidQuery("user"))),
        ("user=a&user=b", Err(InvalidQuery("user"))),
    ];
    for (query, expected) in cases {
        assert_eq!(ServerQuery::parse(query), expected, "{query}");
    }
}
