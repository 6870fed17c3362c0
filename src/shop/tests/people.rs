//! Accounts, the sessions they open, and the comments they leave.

use super::{ANN, NOW};
use crate::shop::ids::{CommentId, ProductId, UserId};
use crate::shop::users::{Account, Email, Role, StandingEdit, Username};
use crate::shop::{comments, sessions, users};

fn account(role: Role) -> Account {
    let newcomer = users::Newcomer {
        username: Username::parse("ann").unwrap(),
        first_name: String::new(),
        email: Some(Email::parse("ann@shop.test").unwrap()),
        phone: None,
        password_hash: String::new(),
        role,
    };
    users::sign_up(newcomer, users::Holders::default(), ANN, NOW).unwrap()
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
    let clear = users::ProfileEdit {
        email: Some(None),
        ..Default::default()
    };
    let refusal = users::edit_profile(account(Role::Customer), clear, users::Holders::default());
    assert_eq!(refusal, Err(users::ProfileRefusal::NoContact));
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
