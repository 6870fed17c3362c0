//! Days of the profile photo: sent as a file, looked at before it is kept, and served to anyone.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::Value;

use crate::shop::{Ask, Heard, Shop};

pub fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let colour = |x: u32, y: u32| [x, y, x ^ y].map(|c| c.to_le_bytes()[0]).into();
    file(&RgbImage::from_fn(width, height, colour).into(), format)
}

fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub fn multipart(field: &str, filename: &str, file: &[u8]) -> Vec<u8> {
    let head = format!(
        "--frame\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{filename}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--frame--\r\n"].concat()
}

pub fn send(shop: &Shop, who: &str, body: Vec<u8>) -> Heard {
    let ask = Ask::new("PATCH /auth/profile/photo/").by(shop, who);
    let mut ask = ask.header("Content-Type", "multipart/form-data; boundary=frame");
    ask.body = Some(body);
    shop.ask(ask)
}

/// Sends a photo that must be taken, and hands back where it is.
#[track_caller]
fn keep(shop: &Shop, body: Vec<u8>) -> String {
    let reply = send(shop, "ann", body).told(200);
    let keys: Vec<&String> = reply.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["mess", "photo"]);
    let photo = reply["photo"].as_str().unwrap().to_owned();
    assert!(photo.starts_with("/media/"), "{photo}");
    assert_eq!(shop.get("ann", "/auth/profile/")["photo"], *photo);
    photo
}

#[track_caller]
fn fetch(shop: &Shop, photo: &str) -> DynamicImage {
    let heard = shop.say("nobody", &format!("GET {photo}"), Value::Null);
    assert_eq!(heard.status, 200, "{photo}");
    assert!(heard.header("Content-Type").starts_with("image/"));
    assert_eq!(heard.header("X-Content-Type-Options"), "nosniff");
    assert!(
        heard.header("Cache-Control").contains("max-age=31536000"),
        "{}",
        heard.header("Cache-Control")
    );
    image::load_from_memory(&heard.body).unwrap()
}

#[test]
fn a_png_a_jpeg_and_a_webp_become_the_photo_of_the_profile() {
    let shop = Shop::open();
    assert_eq!(shop.get("ann", "/auth/profile/")["photo"], Value::Null);
    for (field, filename, format) in [
        ("photo", "me.png", ImageFormat::Png),
        ("file", "me.jpeg", ImageFormat::Jpeg),
        ("photo", "me.webp", ImageFormat::WebP),
        // What it is says the content, not the name.
        ("photo", "me.heic", ImageFormat::Png),
        ("photo", "../../me", ImageFormat::Png),
    ] {
        let photo = keep(&shop, multipart(field, filename, &picture(60, 40, format)));
        let seen = fetch(&shop, &photo);
        assert_eq!((seen.width(), seen.height()), (60, 40), "{filename}");
    }
    let users = shop.list("boss", "/auth/users/");
    assert_eq!(
        users[1]["photo"],
        shop.get("ann", "/auth/profile/")["photo"]
    );
    assert_eq!(shop.get("bob", "/auth/profile/")["photo"], Value::Null);
}

#[test]
fn a_large_photo_is_scaled_down_and_keeps_its_shape() {
    let shop = Shop::open();
    let large = picture(2048, 1024, ImageFormat::Jpeg);
    let photo = keep(&shop, multipart("photo", "me.jpg", &large));
    let seen = fetch(&shop, &photo);
    assert_eq!((seen.width(), seen.height()), (1024, 512));
}

#[test]
fn what_a_camera_notes_beside_the_picture_is_not_kept() {
    let shop = Shop::open();
    let jpeg = picture(60, 40, ImageFormat::Jpeg);
    let (start, rest) = jpeg.split_at(2);
    // An EXIF segment right after the start of the image: its marker, its length, its name, its content.
    let exif = b"\xff\xe1\x00\x1aExif\0\0at home, 51.5N, 0W";
    let photo = keep(
        &shop,
        multipart("photo", "me.jpg", &[start, exif, rest].concat()),
    );
    let heard = shop.say("nobody", &format!("GET {photo}"), Value::Null);
    assert!(!heard.body.windows(7).any(|bytes| bytes == b"at home"));
}

#[test]
fn what_is_no_photo_is_refused_and_the_old_one_stays() {
    let shop = Shop::open();
    let png = picture(60, 40, ImageFormat::Png);
    let before = keep(&shop, multipart("photo", "me.png", &png));
    let bomb = file(&DynamicImage::new_luma8(8_000, 5_200), ImageFormat::Png);
    for (what, file) in [
        ("nothing", &b""[..]),
        ("a text", b"I am a picture, believe me"),
        ("a page", b"<html><script>alert(1)</script></html>"),
        ("a gif", b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"),
        ("a heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("half a png", png.split_at(png.len() / 2).0),
        ("more than 40 megapixels", &bomb),
    ] {
        let heard = send(&shop, "ann", multipart("photo", "me.png", file));
        assert!(refused_as_photo(&heard), "{what}: {} {}", heard.status, heard.text());
    }
    let heard = send(&shop, "ann", multipart("picture", "me.png", &png));
    assert!(
        refused_as_photo(&heard),
        "in another field: {}",
        heard.text()
    );
    assert_eq!(shop.get("ann", "/auth/profile/")["photo"], *before);
    fetch(&shop, &before);
}

fn refused_as_photo(heard: &Heard) -> bool {
    heard.status == 400 && heard.json()["photo"][0].is_string()
}

#[test]
fn a_photo_is_a_file_in_a_form_of_the_one_who_asks() {
    let shop = Shop::open();
    let body = multipart("photo", "me.png", &picture(8, 8, ImageFormat::Png));
    assert_eq!(send(&shop, "nobody", body).status, 401);
    shop.day(
        r#"
        nobody PATCH /auth/profile/photo/ {"photo": "me.png"} => 401 code not_authenticated
        ann again => 415 code *
        again form photo=me.png => 415 code *
        again not a form
            + Content-Type: multipart/form-data; boundary=frame
        => 400 ...
        again not a form
            + Content-Type: multipart/form-data
        => 400 ...
        ann GET /auth/profile/photo/ => 405 code method_not_allowed
        ann GET /auth/profile/ => 200 {"photo": null, "...": 0}
        nobody GET /media/nothing-here.png => 404 code *
        nobody GET /media/ => 404 code *
        nobody GET /media/..%2f..%2fCargo.toml => 400 code bad_path
    "#,
    );
}

#[test]
fn a_photo_is_at_most_5_mib() {
    let shop = Shop::open();
    let token = shop.token("ann");
    let body = multipart("photo", "me.png", &vec![0; 5 * 1024 * 1024 + 1]);
    let length = body.len();
    let head = format!(
        "PATCH /auth/profile/photo/ HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\
         Content-Type: multipart/form-data; boundary=frame\r\n\r\n"
    );
    let heard = shop.raw(&[head.as_bytes(), &body].concat());
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(heard.contains(r#""code":"#), "{heard}");
}
