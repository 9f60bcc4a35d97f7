//! What joins VPCs to each other and to services: peering connections, attachments to transit gateways, endpoints, and routes to them.

use super::*;
use crate::facts::Network;

/// The action that a request of EC2's asks for.
fn action(request: &str) -> &str {
    let rest = request.split_once("Action=").map_or("", |(_, rest)| rest);
    rest.split('&').next().unwrap_or_default()
}

/// A region whose one VPC is `vpc-1`, in which the script answers what it knows and all else is empty.
fn region(known: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Script {
    Script::new(move |request| {
        let action = action(request);
        let subnets = "<subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId></item></subnetSet>";
        let inner = known(action, request).unwrap_or_else(|| match action {
            "DescribeSubnets" => subnets.to_owned(),
            _ => String::new(),
        });
        (200, format!("<{action}Response>{inner}</{action}Response>"))
    })
}

async fn network(script: &Script) -> Network {
    let stack = Fact::<Stack>::Absent;
    let subnets = Ok(vec!["subnet-1".to_owned()]);
    let claims = Claims::new("k2m-orders", &stack);
    ec2::network(&client!(aws_sdk_ec2, script), &subnets, &[], &claims, false).await
}

/// The second page where that is asked for, else the first.
fn page(request: &str, set: &str, pages: [&str; 2]) -> String {
    if request.contains("NextToken=2") {
        format!("<{set}>{}</{set}>", pages[1])
    } else {
        format!("<{set}>{}</{set}><nextToken>2</nextToken>", pages[0])
    }
}

#[tokio::test]
async fn peering_connections_come_from_both_sides_and_every_page_once() {
    let item = |id: &str, code: &str, sides: [(&str, &str, &str); 2], tag: &str| {
        let side = |name: &str, (vpc, region, cidrs): (&str, &str, &str)| {
            format!(
                "<{name}><ownerId>111122223333</ownerId><vpcId>{vpc}</vpcId><region>{region}</region>{cidrs}</{name}>"
            )
        };
        format!(
            "<item><vpcPeeringConnectionId>{id}</vpcPeeringConnectionId><status><code>{code}</code></status>{}{}{tag}</item>",
            side("requesterVpcInfo", sides[0]),
            side("accepterVpcInfo", sides[1]),
        )
    };
    let two = "<cidrBlock>10.1.0.0/16</cidrBlock><cidrBlockSet><item><cidrBlock>10.9.0.0/16</cidrBlock></item>\
               <item><cidrBlock>10.1.0.0/16</cidrBlock></item></cidrBlockSet>";
    let one = "<cidrBlock>10.2.0.0/16</cidrBlock>";
    let tag = "<tagSet><item><key>k2m:stack</key><value>k2m-clicks</value></item></tagSet>";
    let own = ("vpc-1", "eu-west-1", two);
    let itself = item("pcx-3", "active", [own, own], "");
    let asked = item("pcx-2", "active", [own, ("vpc-2", "us-east-1", one)], tag) + &itself;
    let over = item("pcx-9", "deleted", [own, ("vpc-3", "eu-west-1", "")], "")
        + &item("pcx-8", "rejected", [own, ("vpc-3", "eu-west-1", "")], "");
    let was_asked = item(
        "pcx-1",
        "pending-acceptance",
        [("vpc-4", "eu-west-1", one), ("vpc-1", "eu-west-1", "")],
        "",
    );
    let script = region(move |action, request| {
        (action == "DescribeVpcPeeringConnections").then(|| {
            let pages = if request.contains("requester-vpc-info.vpc-id") {
                [over.as_str(), asked.as_str()]
            } else {
                assert!(request.contains("accepter-vpc-info.vpc-id"), "{request}");
                [itself.as_str(), was_asked.as_str()]
            };
            page(request, "vpcPeeringConnectionSet", pages)
        })
    });
    let network = network(&script).await;
    insta::assert_json_snapshot!(network.peerings);
}

#[tokio::test]
async fn attachments_and_endpoints_come_from_every_page() {
    let attachment = |id: &str, state: &str| {
        format!(
            "<item><transitGatewayAttachmentId>{id}</transitGatewayAttachmentId><transitGatewayId>tgw-1</transitGatewayId><vpcId>vpc-1</vpcId>\
             <state>{state}</state><subnetIds><item>subnet-2</item><item>subnet-1</item></subnetIds></item>"
        )
    };
    let endpoint = |id: &str, kind: &str, rest: &str| {
        format!(
            "<item><vpcEndpointId>{id}</vpcEndpointId><vpcEndpointType>{kind}</vpcEndpointType><vpcId>vpc-1</vpcId>\
             <serviceName>com.amazonaws.eu-west-1.secretsmanager</serviceName><state>available</state>{rest}</item>"
        )
    };
    let attachments = [
        attachment("tgw-attach-2", "pendingAcceptance") + &attachment("tgw-attach-3", "deleted"),
        attachment("tgw-attach-1", "available"),
    ];
    let rest = "<subnetIdSet><item>subnet-1</item></subnetIdSet><groupSet><item><groupId>sg-1</groupId></item></groupSet>\
                <privateDnsEnabled>true</privateDnsEnabled>";
    let endpoints = [endpoint("vpce-2", "Gateway", ""), endpoint("vpce-1", "Interface", rest)];
    let script = region(move |action, request| match action {
        "DescribeTransitGatewayVpcAttachments" => {
            let [first, second] = &attachments;
            Some(page(request, "transitGatewayVpcAttachments", [first, second]))
        }
        "DescribeVpcEndpoints" => {
            let [first, second] = &endpoints;
            Some(page(request, "vpcEndpointSet", [first, second]))
        }
        _ => None,
    });
    let network = network(&script).await;
    insta::assert_json_snapshot!((network.transit_gateway_attachments, network.endpoints));
}

#[tokio::test]
async fn routes_are_propagated_or_blackholes_as_aws_says() {
    let script = region(|action, _| {
        (action == "DescribeRouteTables").then(|| {
            "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><routeSet>\
             <item><destinationCidrBlock>10.2.0.0/16</destinationCidrBlock><vpcPeeringConnectionId>pcx-1</vpcPeeringConnectionId>\
             <state>blackhole</state><origin>CreateRoute</origin></item>\
             <item><destinationCidrBlock>172.20.0.0/16</destinationCidrBlock><gatewayId>vgw-1</gatewayId><state>active</state>\
             <origin>EnableVgwRoutePropagation</origin></item>\
             <item><destinationCidrBlock>10.3.0.0/16</destinationCidrBlock><transitGatewayId>tgw-1</transitGatewayId><state>active</state>\
             <origin>CreateRoute</origin></item></routeSet></item></routeTableSet>"
                .to_owned()
        })
    });
    let network = network(&script).await;
    let routes: Vec<_> = network.route_tables.found().unwrap()[0]
        .routes
        .iter()
        .map(|route| {
            (
                route.destination.as_str(),
                route.target.as_str(),
                route.active,
                route.propagated,
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            ("10.2.0.0/16", "pcx-1", false, false),
            ("10.3.0.0/16", "tgw-1", true, false),
            ("172.20.0.0/16", "vgw-1", true, true),
        ]
    );
}

/// One right that is missing hides its own list, and no other.
#[tokio::test]
async fn the_right_to_see_each_list_is_named() {
    for denied in [
        "DescribeVpcPeeringConnections",
        "DescribeTransitGatewayVpcAttachments",
        "DescribeVpcEndpoints",
    ] {
        let rest = region(|_, _| None);
        let script = Script::new(move |request| {
            if action(request) == denied {
                let error = "<Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation.</Message>";
                let errors =
                    format!("<Response><Errors><Error>{error}</Error></Errors><RequestID>r</RequestID></Response>");
                (403, errors)
            } else {
                rest.text(request)
            }
        });
        let network = network(&script).await;
        let missing: Vec<_> = [
            network.vpcs.unreadable(),
            network.subnets.unreadable(),
            network.route_tables.unreadable(),
            network.network_acls.unreadable(),
            network.peerings.unreadable(),
            network.transit_gateway_attachments.unreadable(),
            network.endpoints.unreadable(),
        ]
        .into_iter()
        .flatten()
        .map(|why| why.missing_action.clone().unwrap())
        .collect();
        assert_eq!(missing, [format!("ec2:{denied}")]);
    }
}
