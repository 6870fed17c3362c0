//! Accounts, the sessions they open, and the comments they leave.

use super::{ANN, NOW};
use crate::shop::ids::{CommentId, ProductId, UserId};
use crate::shop::text::TextError;
use crate::shop::users::{
    Account, Email, Holders, NameError, Names, Newcomer, Phone, ProfileEdit, ProfileRefusal, Role,
    StandingEdit, Taken, Username,
};
use crate::shop::{comments, sessions, users};

fn account(role: Role) -> Account {
    let newcomer = Newcomer {
        username: Username::parse("ann").unwrap(),
        first_name: String::new(),
        email: Some(Email::parse("ann@shop.test").unwrap()),
        phone: None,
        password_hash: String::new(),
        role,
    };
    users::sign_up(newcomer, Holders::default(), ANN, NOW).unwrap()
}

#[test]
fn names_are_the_same_without_case_and_in_compatible_letters() {
    let key = |name| Username::parse(name).unwrap().key();
    assert_eq!(key("Ann"), key("aNN"));
    assert_eq!(Username::parse("ﬁsh").unwrap().as_str(), "fish");
    assert_eq!(key("ÄRGER"), key("ärger"));
    for bad in ["", "  ", "a b", "a/b", "a\0b", "<a>", &"x".repeat(151)] {
        assert!(Username::parse(bad).is_err(), "{bad}");
    }
    for bad in [
        "ann",
        "ann@",
        "@shop.test",
        "ann@shop",
        "a b@shop.test",
        "ann@shop..test",
    ] {
        assert!(Email::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_last_active_admin_stays() {
    let demote = StandingEdit {
        role: Some(Role::Customer),
        is_active: None,
    };
    let deactivate = StandingEdit {
        role: None,
        is_active: Some(false),
    };
    for edit in [demote, deactivate] {
        let admin = account(Role::Admin);
        assert_eq!(
            users::edit_standing(admin.clone(), edit, 1),
            Err(users::LastAdmin)
        );
        assert!(users::edit_standing(admin, edit, 2).is_ok());
        assert!(users::edit_standing(account(Role::Customer), edit, 1).is_ok());
    }
}

#[test]
fn the_last_contact_stays() {
    let clear = ProfileEdit {
        email: Some(None),
        ..Default::default()
    };
    let refusal = users::edit_profile(account(Role::Customer), clear, Holders::default());
    assert_eq!(refusal, Err(ProfileRefusal::NoContact));
}

#[test]
fn a_session_is_opened_with_the_password_of_now_and_in_the_era_of_now() {
    use sessions::{Family, Session, open};
    let of_now = Account {
        era: 4,
        ..account(Role::Customer)
    };
    let hash = of_now.password_hash.clone();
    let session = Session {
        user: ANN,
        family: Family([1; 16]),
        era: 3,
        expires_at: NOW,
        is_spent: false,
    };
    let opened = open(Some(of_now.clone()), &hash, &session);
    assert_eq!(
        opened,
        Some(Session {
            era: 4,
            ..session.clone()
        })
    );
    assert_eq!(open(None, &hash, &session), None);
    let other = format!("{hash} of another");
    assert_eq!(open(Some(of_now.clone()), &other, &session), None);
    let shut = Account {
        is_active: false,
        ..of_now
    };
    assert_eq!(open(Some(shut), &hash, &session), None);
}

#[test]
fn a_password_is_replaced_while_it_is_the_one_that_was_checked() {
    let before = account(Role::Customer);
    let hash = before.password_hash.clone();
    let after = users::replace_password(before.clone(), &hash, "new".into());
    assert_eq!(
        after,
        Some(users::change_password(before.clone(), "new".into()))
    );
    let other = format!("{hash} of another");
    assert_eq!(users::replace_password(before, &other, "new".into()), None);
}

#[test]
fn a_session_lives_once_and_only_in_its_era() {
    use sessions::{Facts, Family, Refusal, Session, check};
    let account = account(Role::Customer);
    let session = Session {
        user: ANN,
        family: Family([1; 16]),
        era: account.era,
        expires_at: NOW.plus_s(60),
        is_spent: false,
    };
    let good = Facts {
        session: Some(session.clone()),
        account: Some(account.clone()),
        is_family_ended: false,
    };
    let heard = |facts, now| check(facts, now).map(|_| ());
    assert_eq!(heard(good.clone(), NOW), Ok(()));
    assert_eq!(heard(good.clone(), NOW.plus_s(60)), Err(Refusal::Dead));
    assert_eq!(
        heard(
            Facts {
                session: None,
                ..good.clone()
            },
            NOW
        ),
        Err(Refusal::Dead)
    );
    assert_eq!(
        heard(
            Facts {
                account: None,
                ..good.clone()
            },
            NOW
        ),
        Err(Refusal::Dead)
    );
    assert_eq!(
        heard(
            Facts {
                is_family_ended: true,
                ..good.clone()
            },
            NOW
        ),
        Err(Refusal::Dead)
    );
    let shut_out = Account {
        is_active: false,
        ..account.clone()
    };
    assert_eq!(
        heard(
            Facts {
                account: Some(shut_out),
                ..good.clone()
            },
            NOW
        ),
        Err(Refusal::Dead)
    );
    let spent = Session {
        is_spent: true,
        ..session
    };
    let reused = heard(
        Facts {
            session: Some(spent),
            ..good.clone()
        },
        NOW,
    );
    assert_eq!(reused, Err(Refusal::Reused(Family([1; 16]))));
    let later = users::change_password(account, String::new());
    assert_eq!(
        heard(
            Facts {
                account: Some(later),
                ..good
            },
            NOW
        ),
        Err(Refusal::Dead)
    );
}

#[test]
fn a_comment_is_its_authors_and_the_admins_to_delete() {
    use comments::Refusal::{NotFound, NotYours};
    let comment = comments::Comment {
        id: CommentId(1),
        product: ProductId(1),
        user: ANN,
        text: "good".into(),
        created_at: NOW,
        updated_at: NOW,
    };
    let stranger = UserId(8);
    let edit = |comment, user| comments::edit(comment, user, None, NOW).map(|_| ());
    assert_eq!(edit(Some(comment.clone()), ANN), Ok(()));
    assert_eq!(edit(Some(comment.clone()), stranger), Err(NotYours));
    assert_eq!(edit(None, ANN), Err(NotFound));
    let delete =
        |user, is_admin| comments::delete(Some(comment.clone()), user, is_admin).map(|_| ());
    assert_eq!(delete(ANN, false), Ok(()));
    assert_eq!(delete(stranger, false), Err(NotYours));
    assert_eq!(delete(stranger, true), Ok(()));
}

#[test]
fn an_edit_of_a_comment_keeps_all_but_its_text_and_its_time() {
    let before = comments::Comment {
        id: CommentId(1),
        product: ProductId(2),
        user: ANN,
        text: "good".into(),
        created_at: NOW,
        updated_at: NOW,
    };
    let later = NOW.plus_s(60);
    for (text, expected) in [(Some("bad"), "bad"), (None, "good")] {
        let after = comments::Comment {
            text: expected.into(),
            updated_at: later,
            ..before.clone()
        };
        let text = text.map(str::to_owned);
        let answer = comments::edit(Some(before.clone()), ANN, text, later);
        assert_eq!(answer, Ok(after));
    }
}

fn username(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn phone(text: &str) -> Phone {
    Phone::parse(text).unwrap()
}

#[test]
fn names_are_shown_as_written_and_compared_without_case() {
    let ann = email(" Ann@Shop.Test ");
    assert_eq!(ann.as_str(), "Ann@Shop.Test");
    assert_eq!(ann.key(), email("aNN@sHOP.tEST").key());
    assert_ne!(ann.key(), email("ann@shop.example").key());
    let number = phone(" +49 30 1234 ext. A ");
    assert_eq!(number.as_str(), "+49 30 1234 ext. A");
    assert_eq!(number.key(), phone("+49 30 1234 EXT. a").key());
    assert_ne!(number.key(), phone("+49 30 1235 ext. A").key());
    assert_eq!(username(" Ann ").as_str(), "Ann");
    assert_ne!(username("ann").key(), username("bob").key());
}

#[test]
fn names_have_bounds_and_letters_they_may_be_made_of() {
    let longest = |max| "a".repeat(max);
    assert!(Username::parse(&longest(150)).is_ok());
    assert_eq!(username("j.d+x-y_z@1").as_str(), "j.d+x-y_z@1");
    assert_eq!(Username::parse("a b"), Err(NameError::BadCharacter));
    assert!(Phone::parse(&longest(20)).is_ok());
    let too_long = |max| NameError::Text(TextError::TooLong(max));
    assert_eq!(Username::parse(&longest(151)), Err(too_long(150)));
    assert_eq!(Phone::parse(&longest(21)), Err(too_long(20)));
    assert_eq!(Email::parse("ann"), Err(NameError::NoAddress));
}

/// The names as written: username, email, phone.
fn written(names: &Names) -> [Option<&str>; 3] {
    [
        names.username.as_ref().map(Username::as_str),
        names.email.as_ref().map(Email::as_str),
        names.phone.as_ref().map(Phone::as_str),
    ]
}

#[test]
fn the_names_asked_for_are_those_that_were_said() {
    let newcomer = Newcomer {
        username: username("ann"),
        first_name: "Ann".into(),
        email: Some(email("ann@shop.test")),
        phone: Some(phone("123")),
        password_hash: String::new(),
        role: Role::Customer,
    };
    let all = [Some("ann"), Some("ann@shop.test"), Some("123")];
    assert_eq!(written(&newcomer.names()), all);
    let by_phone = Newcomer {
        email: None,
        ..newcomer
    };
    assert_eq!(written(&by_phone.names()), [Some("ann"), None, Some("123")]);

    let edit = ProfileEdit {
        username: Some(username("ann")),
        first_name: None,
        email: Some(Some(email("ann@shop.test"))),
        phone: Some(Some(phone("123"))),
    };
    assert_eq!(written(&edit.names()), all);
    let clearing = ProfileEdit {
        email: Some(None),
        ..ProfileEdit::default()
    };
    assert_eq!(written(&clearing.names()), [None; 3]);
}

#[test]
fn a_name_is_taken_when_somebody_else_has_it() {
    let (mine, bob) = (Some(ANN), Some(UserId(8)));
    for (username, email, phone, expected) in [
        (None, None, None, vec![]),
        (mine, mine, mine, vec![]),
        (bob, None, None, vec![Taken::Username]),
        (mine, bob, None, vec![Taken::Email]),
        (None, mine, bob, vec![Taken::Phone]),
        (
            bob,
            bob,
            bob,
            vec![Taken::Username, Taken::Email, Taken::Phone],
        ),
    ] {
        let holders = Holders {
            username,
            email,
            phone,
        };
        assert_eq!(holders.taken_from(mine), expected, "{holders:?}");
        let edit = ProfileEdit::default();
        let edited = users::edit_profile(account(Role::Customer), edit, holders);
        match edited {
            Ok(_) => assert!(expected.is_empty(), "{holders:?}"),
            Err(refusal) => assert_eq!(refusal, ProfileRefusal::Taken(expected)),
        }
    }
    let anybodys = Holders {
        username: mine,
        ..Holders::default()
    };
    assert_eq!(anybodys.taken_from(None), [Taken::Username]);
}

#[test]
fn a_newcomer_gets_what_they_said_or_hears_every_name_that_is_taken() {
    let newcomer = Newcomer {
        username: username("ann"),
        first_name: "Ann".into(),
        email: Some(email("ann@shop.test")),
        phone: Some(phone("123")),
        password_hash: "$argon2id$".into(),
        role: Role::Admin,
    };
    let opened = Account {
        id: ANN,
        username: username("ann"),
        first_name: "Ann".into(),
        email: Some(email("ann@shop.test")),
        phone: Some(phone("123")),
        role: Role::Admin,
        is_active: true,
        password_hash: "$argon2id$".into(),
        photo: None,
        joined_at: NOW,
        era: 0,
    };
    let sign_up = |holders| users::sign_up(newcomer.clone(), holders, ANN, NOW);
    assert_eq!(sign_up(Holders::default()), Ok(opened));
    let bobs = Holders {
        username: Some(UserId(8)),
        email: None,
        phone: Some(UserId(9)),
    };
    assert_eq!(sign_up(bobs), Err(vec![Taken::Username, Taken::Phone]));
}

/// An account in which nothing is at its default.
fn lived_in() -> Account {
    Account {
        first_name: "Ann".into(),
        phone: Some(phone("123")),
        password_hash: "$argon2id$old".into(),
        photo: Some("face.png".into()),
        era: 4,
        ..account(Role::Admin)
    }
}

#[test]
fn a_profile_edit_changes_what_it_names_and_nothing_else() {
    type Change = fn(&mut ProfileEdit, &mut Account);
    let before = lived_in();
    let changes: [Change; 7] = [
        |_, _| {},
        |edit, after| {
            edit.username = Some(username("anna"));
            after.username = username("anna");
        },
        |edit, after| {
            edit.first_name = Some(String::new());
            after.first_name = String::new();
        },
        |edit, after| {
            edit.email = Some(Some(email("anna@shop.test")));
            after.email = Some(email("anna@shop.test"));
        },
        |edit, after| {
            edit.phone = Some(Some(phone("456")));
            after.phone = Some(phone("456"));
        },
        |edit, after| {
            edit.email = Some(None);
            after.email = None;
        },
        |edit, after| {
            edit.phone = Some(None);
            after.phone = None;
        },
    ];
    for change in changes {
        let (mut edit, mut after) = (ProfileEdit::default(), before.clone());
        change(&mut edit, &mut after);
        let answer = users::edit_profile(before.clone(), edit, Holders::default());
        assert_eq!(answer, Ok(after));
    }
}

#[test]
fn who_never_had_a_contact_needs_none() {
    let before = Account {
        email: None,
        phone: None,
        ..lived_in()
    };
    let edit = ProfileEdit {
        username: Some(username("root")),
        email: Some(None),
        ..ProfileEdit::default()
    };
    let edited = users::edit_profile(before, edit, Holders::default()).unwrap();
    assert_eq!(edited.username, username("root"));
}

#[test]
fn both_contacts_are_not_cleared_at_once() {
    let clear = ProfileEdit {
        email: Some(None),
        phone: Some(None),
        ..ProfileEdit::default()
    };
    let only = |email, phone| Account {
        email,
        phone,
        ..lived_in()
    };
    for before in [
        lived_in(),
        only(Some(email("ann@shop.test")), None),
        only(None, Some(phone("123"))),
    ] {
        let answer = users::edit_profile(before, clear.clone(), Holders::default());
        assert_eq!(answer, Err(ProfileRefusal::NoContact));
    }
}

#[test]
fn a_new_password_changes_the_hash_and_the_era_alone() {
    let after = Account {
        password_hash: "$argon2id$new".into(),
        era: 5,
        ..lived_in()
    };
    let answer = users::change_password(lived_in(), "$argon2id$new".into());
    assert_eq!(answer, after);
    let last_era = Account {
        era: u32::MAX,
        ..lived_in()
    };
    assert_eq!(users::end_sessions(last_era).era, 0);
}

#[test]
fn a_change_of_standing_ends_sessions_only_when_it_shuts_somebody_out() {
    let edited = |before: Account, role, is_active| {
        let edit = StandingEdit { role, is_active };
        users::edit_standing(before, edit, 2)
    };
    let customer = Account {
        role: Role::Customer,
        ..lived_in()
    };
    let shut_out = Account {
        is_active: false,
        era: 5,
        ..lived_in()
    };
    let demoted = edited(lived_in(), Some(Role::Customer), None);
    assert_eq!(demoted, Ok(customer));
    let deactivated = edited(lived_in(), None, Some(false));
    assert_eq!(deactivated, Ok(shut_out.clone()));
    let let_in = Account {
        era: 5,
        ..lived_in()
    };
    assert_eq!(edited(shut_out, None, Some(true)), Ok(let_in));
    assert_eq!(edited(lived_in(), None, None), Ok(lived_in()));
}

#[test]
fn only_an_active_admin_can_administer() {
    for (role, is_active, can) in [
        (Role::Admin, true, true),
        (Role::Admin, false, false),
        (Role::Customer, true, false),
        (Role::Customer, false, false),
    ] {
        let somebody = Account {
            role,
            is_active,
            ..lived_in()
        };
        assert_eq!(somebody.can_administer(), can, "{somebody:?}");
    }
}
