//! Where reading ends.

use super::*;
use tokio::io::AsyncReadExt;

async fn read(stream: &[u8], left: u64) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    Metered { stream, left }.read_to_end(&mut read).await.map_err(|error| error.to_string())?;
    Ok(read)
}

#[tokio::test]
async fn the_bound_itself_may_be_read_and_no_byte_more() {
    assert_eq!(read(b"12345", 5).await.as_deref(), Ok(&b"12345"[..]));
    assert_eq!(read(b"123456", 5).await, Err("more bytes than any answer needs".to_owned()));
    assert_eq!(read(b"", 0).await.as_deref(), Ok(&b""[..]));
}

#[tokio::test]
async fn many_small_reads_count_like_one_large() {
    let mut metered = Metered { stream: &b"123456"[..], left: 5 };
    let mut byte = [0];
    for expected in b"12345" {
        assert_eq!((metered.read(&mut byte).await.expect("within the bound"), byte[0]), (1, *expected));
    }
    assert!(metered.read(&mut byte).await.is_err());
}
