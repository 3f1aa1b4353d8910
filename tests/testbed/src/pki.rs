//! The node's own certificate authority and what it signs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::network::Ip;
use crate::place::FIRST;

/// Writes the authority, the API server's certificate, its client certificate for the kubelet,
/// the certificate of webhooks, and the key that signs service account tokens.
pub fn write(folder: &Path) -> Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = name("testbed", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    save(folder, "ca.crt", &params.self_signed(&key)?.pem())?;
    let authority = Issuer::new(params, key);

    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "localhost",
        Ip::V4.api_server(),
        FIRST.ip,
        "127.0.0.1",
        Ip::V6.api_server(),
        FIRST.ip6,
        "::1",
    ];
    let mut server = CertificateParams::new(names.map(str::to_owned).to_vec())?;
    server.distinguished_name = name("kube-apiserver", None);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(folder, "apiserver", server, &authority)?;

    let mut client = CertificateParams::new(Vec::<String>::new())?;
    client.distinguished_name = name("kube-apiserver-kubelet-client", Some("system:masters"));
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(folder, "kubelet-client", client, &authority)?;

    let mut webhooks = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    webhooks.distinguished_name = name("webhooks", None);
    webhooks.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(folder, "webhooks/tls", webhooks, &authority)?;

    registries(folder, &authority)?;
    let key = KeyPair::generate()?;
    save(folder, "service-account.key", &key.serialize_pem())?;
    save(folder, "service-account.pub", &key.public_key_pem())
}

/// The certificates of the fault registry: each is wrong in one way only.
fn registries(folder: &Path, authority: &Issuer<'_, KeyPair>) -> Result<()> {
    let server = |address: &str| {
        let mut params = CertificateParams::new(vec![address.to_owned()])?;
        params.distinguished_name = name("registry", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        anyhow::Ok(params)
    };
    let mut expired = server(FIRST.ip)?;
    expired.not_after = date_time_ymd(2020, 1, 1);
    signed(folder, "faults-expired", expired, authority)?;
    signed(folder, "faults-wrong-host", server("10.97.0.2")?, authority)?;

    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name = name("nobody", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let nobody = Issuer::new(params, KeyPair::generate()?);
    signed(folder, "faults-unknown", server(FIRST.ip)?, &nobody)
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

fn signed(
    folder: &Path,
    file: &str,
    mut params: CertificateParams,
    authority: &Issuer<'_, KeyPair>,
) -> Result<()> {
    let key = KeyPair::generate()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params.signed_by(&key, authority)?;
    save(folder, &format!("{file}.crt"), &certificate.pem())?;
    save(folder, &format!("{file}.key"), &key.serialize_pem())
}

fn save(folder: &Path, file: &str, pem: &str) -> Result<()> {
    let path = folder.join(file);
    fs::write(&path, pem).with_context(|| format!("writing {}", path.display()))
}
